/**
 * The Store on a Redis Cluster: three masters without replicas. All keys lie in one slot and the scripts are those of one server, so what is
 * to be shown is that each of them stays within the slot: every operation once, and the suites with the most keys to a script.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Store, Wakeup } from '@tutti/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  anEvent,
  aTask,
  aTimer,
  ended,
  fenceOf,
  here,
  leaseOne,
  type Subject,
  storeConformance,
} from '../src/conformance/index.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { type TestRedis, testRedis } from '../src/testing/redis.ts'

let nodes: TestRedis[] = []
let stores: Store[] = []

beforeAll(async () => {
  nodes = await Promise.all(
    [1, 2, 3].map(() =>
      testRedis({ port: true, settings: { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf' } }),
    ),
  )
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await promisify(execFile)('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  // Each node learns by gossip that the others agree.
  for (const node of nodes)
    await vi.waitFor(
      async () => {
        if (!String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) throw new Error('not yet')
      },
      { timeout: 20_000, interval: 50 },
    )
  // Each instance is told of one node only, and finds the others.
  const open = (instance: string, at: number) =>
    createRedisStore({ cluster: [{ url: `redis://${addresses[at]}` }], instance, prefix: 'on-a-cluster' })
  stores = [await open('first', 0), await open('second', 1)]
})

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await Promise.all(nodes.map((node) => node.stop()))
})

const settleNews = async (): Promise<void> => {
  const marker = crypto.randomUUID()
  const heard = stores.map(
    (store) =>
      new Promise<void>((resolve) => {
        const stop = store.subscribe((news: Wakeup) => {
          if (!news.jobs?.includes(marker)) return
          stop()
          resolve()
        })
      }),
  )
  await nodes[2]?.command('PUBLISH', '{on-a-cluster}:news', JSON.stringify({ jobs: [marker] }))
  await Promise.all(heard)
}

const subject = async (): Promise<Subject> => {
  const [store, other] = stores
  if (!store || !other) throw new Error('two stores were opened')
  return {
    store,
    second: async () => other,
    close: async () => {
      await settleNews()
      await Promise.all(nodes.map((node) => node.command('FLUSHALL')))
    },
  }
}

storeConformance('redis on a cluster', subject, ['commit', 'hand-out', 'concurrency keys'])

test('every operation finds its keys', async () => {
  const { store: plain, close } = await subject()
  const used = new Set<string>()
  const store = new Proxy(plain, {
    get: (target, name: keyof Store) => {
      used.add(name)
      return target[name]
    },
  })
  const now = store.now()
  const job = aJob()
  const other = aJob({ status: 'waiting_for_human' })
  await accept(
    store,
    aChange(job, {
      enqueue: [1, 2, 3].map(() => aTask(job, { concurrencyKey: 'key', concurrencyLimit: 3 })),
      setTimers: [aTimer(job)],
      events: [anEvent(job, 1)],
    }),
    aChange({ ...other, wakeAt: 1_000 }),
  )
  expect((await store.queues()).length).toBe(1)
  expect(await store.nextDue(here, ['note'])).toBeLessThanOrEqual(now)
  const worker = { id: 'worker-1', bootId: null, skills: [], info: {}, registeredAt: 1, lastSeenAt: 1 }
  await store.putWorker({ ...worker, expiresAt: now + 60_000 })
  expect(await store.touchWorker({ id: 'worker-1', info: {}, lastSeenAt: 2, expiresAt: now + 90_000 })).toMatchObject({
    lastSeenAt: 2,
  })
  expect([await store.workers(), await store.worker('worker-1')]).toMatchObject([
    [{ id: 'worker-1' }],
    { id: 'worker-1' },
  ])
  const [first, second, third] = [await leaseOne(store), await leaseOne(store), await leaseOne(store)]
  expect(await store.renew({ worker: 'worker-1', leaseMs: 60_000 })).toHaveLength(3)
  expect(await store.held('worker-1', first.task.id)).toBe(first.token)
  await store.release([fenceOf(second)])
  await store.expireLeases('worker-1')
  const { timers, lost } = await store.leaseTimers({ limit: 10, leaseMs: 0 })
  expect([timers.length, lost.map(({ taskId }) => taskId).sort()]).toEqual([1, [first.task.id, third.task.id].sort()])
  await store.dropTimers(timers.map(({ id }) => id))
  expect(await store.leaseJobs({ blueprints: here, limit: 10, leaseMs: 60_000 })).toMatchObject([{ id: other.id }])
  expect((await store.jobs({ client: null, limit: 10 })).jobs).toHaveLength(2)
  expect(await store.events(job.id, 0, 10)).toHaveLength(1)
  expect((await store.feed({ after: null, limit: 10 })).cursor).toBe(await store.feedEnd())
  expect((await store.stats(null)).queues).toHaveLength(1)
  const record = { kind: 'note', id: 'a', owner: 'o', ref: 'r', rev: 1, dueAt: 1_000, expiresAt: null, body: {} }
  expect(await store.putRecords([record])).toEqual([true])
  expect([await store.getRecords('note', ['a']), await store.listRecords({ kind: 'note', limit: 10 })]).toEqual([
    [record],
    [record],
  ])
  expect(await store.leaseRecords({ kind: 'note', limit: 10, leaseMs: 60_000 })).toHaveLength(1)
  await store.dropRecords('note', ['a'])
  expect(
    await store.draw([{ key: 'k', want: 1, budget: { kind: 'bucket', capacity: 1, refillPerMs: 1e-12 } }]),
  ).toMatchObject([{ granted: 1 }])
  await accept(store, aChange(ended(job)))
  expect(await store.removeJobs([job.id])).toEqual([job.id])
  expect(await store.purge({ finishedBefore: now, feedBefore: now + 60_000, limit: 10 })).toEqual([])
  await store.removeWorker('worker-1')
  expect(await store.job([job.id, other.id])).toMatchObject([undefined, { id: other.id }])
  // Those that are about this process alone.
  const local = ['now', 'subscribe', 'close', 'prepare']
  expect(Object.keys(plain).filter((name) => !used.has(name) && !local.includes(name))).toEqual([])
  await close()
})
