/**
 * Two orchestrators on one store share the work, and `kill -9` of either, and of the store's server, loses nothing: jobs finish, each task is recorded once, logs
 * have no gap, schedules fire once for each instant, and webhooks come under one id. The worker, like a client, knows only the balancer.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createClient } from '@tutti/client'
import type { JobView } from '@tutti/contracts'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import { testRedis } from '@tutti/stores/testing'
import { createWorker } from '@tutti/worker'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Balancer, clientToken, type Instance, startBalancer, startInstance, workerToken } from './instances.ts'
import { type Receiver, startReceiver } from './receiver.ts'

interface SharedStore {
  env: Record<string, string>
  /** Names of the instances that the store knows as such. */
  instances(): Promise<string[]>
  /** Ends the server itself with -9, and brings it back. */
  crash(): Promise<void>
  close(): Promise<void>
}

const stores: Record<string, () => Promise<SharedStore>> = {
  postgres: async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tutti-instances-'))
    let server = await startBuiltInPostgres({ dataDir })
    const restart = () => startBuiltInPostgres({ dataDir })
    return {
      env: { STORAGE: 'postgres', DATABASE_URL: server.connectionString },
      instances: async () => ['one', 'two'],
      crash: async () => {
        const [pid] = (await readFile(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')
        process.kill(Number(pid), 'SIGKILL')
        // Not before the last of its processes has noticed.
        server = await vi.waitFor(restart, { timeout: 20_000, interval: 100 })
      },
      close: async () => {
        await server.stop()
        await rm(dataDir, { recursive: true, force: true })
      },
    }
  },
  redis: async () => {
    const redis = await testRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
    const consumersOf = async (stream: string): Promise<string[]> => {
      // Each consumer is name, value, name, value, …; its own name comes first.
      const answer = (await redis.command('XINFO', 'CONSUMERS', stream, 'instances')) as unknown[]
      return answer.map((each) => (Array.isArray(each) ? String(each[1]) : (each as { name: string }).name))
    }
    return {
      env: { STORAGE: 'redis', REDIS_URL: `unix://${redis.address.socket.path}` },
      instances: async () => {
        const streams = (await redis.command('KEYS', '{tutti}:due *')) as string[]
        return [...new Set((await Promise.all(streams.map(consumersOf))).flat())].sort()
      },
      crash: () => redis.restart('SIGKILL'),
      close: redis.stop,
    }
  },
}

const patience = { timeout: 50_000, interval: 50 }
const everyMs = 1_000

describe.each(Object.keys(stores))('two orchestrators on %s', { timeout: 80_000 }, (kind) => {
  let store: SharedStore
  let one: Instance
  let two: Instance
  let balancer: Balancer
  let receiver: Receiver
  const closers: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    store = (await stores[kind]?.()) as SharedStore
    closers.push(store.close)
    ;[one, two] = await Promise.all([startInstance('one', store.env), startInstance('two', store.env)])
    closers.push(() => Promise.all([one.stop(), two.stop()]))
    balancer = await startBalancer([one, two])
    closers.push(balancer.close)
    receiver = await startReceiver()
    closers.push(receiver.close)
  })
  afterAll(async () => {
    for (const close of closers.reverse()) await close()
  })

  const at = ({ url }: { url: string }) => createClient({ url, token: clientToken })

  test('a poll that is parked at one gets the task of a job that is made at the other', async () => {
    const asWorker = (method: string, path: string, body?: object) =>
      fetch(`${two.url}/_worker${path}`, {
        method,
        headers: { 'x-worker-token': workerToken, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
    const worker_id = 'parked'
    await asWorker('POST', '/workers/register', { worker_id, supported_skills: ['kill.parcel'] })
    const poll = asWorker('GET', `/workers/${worker_id}/tasks/next`)
    // Nothing tells from outside that it is parked; without the news it would wait for the safety look, after 20 s.
    await setTimeout(200)
    const began = performance.now()
    const { job_id } = await at(one).jobs.create({ blueprint: 'parcel' })
    const task = (await (await poll).json()) as { job_id: string; task_id: string }
    expect(task.job_id).toBe(job_id)
    expect(performance.now() - began).toBeLessThan(5_000)
    await asWorker('POST', '/tasks/result', { worker_id, ...task, status: 'success', data: {} })
    expect((await at(one).jobs.wait(job_id)).status).toBe('finished')
  })

  test('either is killed in the middle of everything, and the store, and all come back', async () => {
    const done: string[] = []
    const worker = createWorker({
      url: balancer.url,
      token: workerToken,
      id: 'steady',
      concurrency: 8,
      skills: {
        'kill.work': {
          execute: async (params, { taskId }) => {
            await setTimeout(20 + 60 * Math.random())
            done.push(taskId)
            return params
          },
        },
      },
    })
    await worker.start()
    closers.push(worker.stop)
    const client = at(balancer)
    await at(one).schedules.put('ticking', { blueprint: 'tick', interval_seconds: everyMs / 1_000, catch_up: 'all' })

    const ids: string[] = []
    const create = async (instance: Instance, count: number): Promise<void> => {
      const spec = () => ({ blueprint: 'journey', webhook_url: receiver.url, webhook_events: ['job_finished'] })
      const made = await at(instance).jobs.createMany(Array.from({ length: count }, spec))
      ids.push(...made.map(({ job_id }) => job_id))
    }
    /** Each is told twice, and at an instance that did not make it, nor advances it by itself. */
    const tell = (some: string[]): Promise<unknown> =>
      Promise.all(
        some.map(async (id) => {
          const event = { name: 'go', id: `go-${id}`, data: { from: id } }
          await client.jobs.sendEvent(id, event)
          // The first may have ended the job already.
          await client.jobs.sendEvent(id, event).catch(() => {})
        }),
      )
    const worked = (count: number) => vi.waitUntil(() => done.length >= count, patience)

    await Promise.all([create(one, 40), create(two, 40)])
    await worked(100)
    await one.kill()
    // Told by the other what was made by the one that is dead.
    await Promise.all([tell(ids.slice(0, 40)), create(two, 20)])
    await worked(240)
    await one.restart()
    await create(one, 20)
    await worked(400)
    await vi.waitFor(async () => expect(await store.instances()).toEqual(['one', 'two']), patience)
    await two.kill()
    await tell(ids.slice(40))
    await store.crash()
    await create(one, 10)
    await tell(ids.slice(-10))
    await two.restart()

    const jobs = await Promise.all(ids.map((id) => client.jobs.wait(id)))
    expect(jobs.map(({ status, error }) => [status, error])).toEqual(jobs.map(() => ['finished', null]))
    for (const job of jobs) await checkJourney(job)

    await vi.waitUntil(async () => {
      const told = new Set(receiver.received.map(({ jobId }) => jobId))
      return ids.every((id) => told.has(id))
    }, patience)
    // One delivery for each job, however often it was tried.
    const deliveries = Map.groupBy(receiver.received, ({ jobId }) => jobId)
    for (const id of ids) expect(new Set(deliveries.get(id)?.map((each) => each.id)).size).toBe(1)
    // Some were refused the first time, and came again.
    await vi.waitUntil(() => receiver.received.length > ids.length, patience)

    await checkSchedule()
  })

  const checkJourney = async (job: JobView): Promise<void> => {
    expect(job.result).toEqual({ parts: [{ part: 'a' }, { part: 'b' }, { part: 'c' }], told: { from: job.id } })
    const log = await at(balancer).jobs.history(job.id)
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1))
    const named = (type: string, key: string): unknown[] =>
      log.filter(({ event_type }) => event_type === type).map(({ data }) => data[key])
    const finished = named('task_finished', 'task_id')
    expect(finished).toHaveLength(4)
    expect(new Set(finished).size).toBe(4)
    const children = named('child_finished', 'child_job_id')
    expect(children).toHaveLength(1)
    const errands = (await at(balancer).jobs.page({ parent_job_id: job.id })).items
    expect(errands.map(({ id, status }) => [id, status])).toEqual([[children[0], 'finished']])
  }

  /** Every instant since the first has its one job, also those at which an instance was dead. */
  const checkSchedule = async (): Promise<void> => {
    const { schedules, jobs } = at(balancer)
    await vi.waitUntil(async () => (await schedules.get('ticking')).fired >= 10, patience)
    await schedules.pause('ticking')
    const due: number[] = []
    for await (const { origin } of jobs.list({ blueprint: 'tick' }))
      if (origin.kind === 'schedule') due.push(Date.parse(origin.due_at))
    due.sort((a, b) => a - b)
    const [first = 0] = due
    expect(due.length).toBeGreaterThanOrEqual(10)
    expect(due).toEqual(due.map((_, index) => first + index * everyMs))
  }
})
