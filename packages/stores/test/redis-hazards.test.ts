/** What can only go wrong with a real server: it is killed, away, out of memory or forgetful, or its connections are lost. */
import type { Store, Wakeup } from '@tutti/engine'
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  anEvent,
  aTask,
  aTimer,
  ended,
  fenceOf,
  jobWith,
  lease,
} from '../src/conformance/subject.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { testRedis } from '../src/testing/redis.ts'
import { redisPerTest } from './redis-per-test.ts'
import { silenceableProxy } from './silenceable-proxy.ts'

const stage = redisPerTest()
const { open, until, connections } = stage

test('a server that can not be reached is an error at once, not a hang', async () => {
  const server = { socket: { path: '/nowhere/stage.redis.sock', tls: false as const } }
  await expect(createRedisStore({ server, instance: 'here' })).rejects.toThrow(/ENOENT/)
})

test('the server is killed and comes back while commits are in flight: what was acknowledged is there, nothing is half done', async () => {
  const store = await open()
  const jobs: ReturnType<typeof aJob>[] = []
  const acknowledged: string[] = []
  const failures: unknown[] = []
  let over = false
  const create = async (): Promise<void> => {
    while (!over) {
      const batch = Array.from({ length: 5 }, () => aJob({ seq: 1 }))
      jobs.push(...batch)
      const changes = batch.map((job) =>
        aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)], events: [anEvent(job, 1)] }),
      )
      try {
        await store.commit(changes)
        acknowledged.push(...batch.map((job) => job.id))
      } catch (error) {
        failures.push(error)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
  const creators = [create(), create(), create(), create()]
  await until(() => expect(acknowledged.length).toBeGreaterThan(100))
  await stage.redis.restart()
  const before = acknowledged.length
  await until(() => expect(acknowledged.length).toBeGreaterThan(before + 100))
  over = true
  await Promise.all(creators)

  expect(failures.length).toBeGreaterThan(0)
  for (const failure of failures) expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const stored = await store.job(jobs.map((job) => job.id))
  const there = new Set(stored.flatMap((job) => (job ? [job.id] : [])))
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
  const tasks = await lease(store, { max: jobs.length + 1 })
  expect(new Set(tasks.map(({ task }) => task.jobId))).toEqual(there)
  const { timers } = await store.leaseTimers({ limit: jobs.length + 1, leaseMs: 0 })
  expect(new Set(timers.map((timer) => timer.jobId))).toEqual(there)
  const feed = await store.feed({ after: null, limit: jobs.length + 1 })
  expect(new Set(feed.events.map((event) => event.jobId))).toEqual(there)
})

test('every connection is cut while work goes on: a call may fail, nothing is half done, all goes on', async () => {
  const errors: unknown[] = []
  const store = await open({ onError: (error) => errors.push(error) })
  const jobs = Array.from({ length: 200 }, () => aJob({ seq: 1 }))
  const answers = jobs.map((job) =>
    store.commit([aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)] })]).then(
      ([outcome]) => outcome?.accepted === true,
      () => null,
    ),
  )
  await stage.redis.command('CLIENT', 'KILL', 'SKIPME', 'yes')
  const accepted = await Promise.all(answers)
  await until(async () => expect(await store.job([])).toEqual([]))
  let stored: Awaited<ReturnType<Store['job']>> = []
  await until(async () => {
    stored = await store.job(jobs.map((job) => job.id))
  })
  for (const [at, answer] of accepted.entries()) if (answer) expect(stored[at]?.id).toBe(jobs[at]?.id)
  const there = stored.filter((job) => job !== undefined).length
  expect(await lease(store, { max: 300 })).toHaveLength(there)
  expect((await store.leaseTimers({ limit: 300, leaseMs: 0 })).timers).toHaveLength(there)
  expect(errors).not.toEqual([])
})

test('the server is away: callers are asked to try again, and none waits for its return', async () => {
  const store = await open()
  await accept(store, aChange(aJob()))
  await stage.redis.stop()
  await until(async () => {
    await expect(store.commit([aChange(aJob())])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
  await expect(store.job([crypto.randomUUID()])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.events(crypto.randomUUID(), 0, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('a server out of memory refuses a change whole, and says so as something that passes', async () => {
  const store = await open()
  const held = await jobWith(store, [{}])
  await stage.redis.command('CONFIG', 'SET', 'maxmemory', '1')
  const job = aJob()
  const changes = [aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)] }), aChange(ended(held))]
  await expect(store.commit(changes)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await stage.redis.command('CONFIG', 'SET', 'maxmemory', '0')
  expect(await store.job([job.id, held.id])).toEqual([undefined, held])
  expect(await lease(store, { max: 5 })).toHaveLength(1)
  await accept(store, ...changes)
})

test('a server that forgot the scripts is given them again', async () => {
  const store = await open()
  const job = await jobWith(store, [{}])
  await stage.redis.command('SCRIPT', 'FLUSH')
  const [leased] = await lease(store)
  if (!leased) throw new Error('a task was enqueued')
  await stage.redis.command('SCRIPT', 'FLUSH')
  await accept(store, aChange(ended(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
})

test('the connection for news is killed: listeners are told of the gap, and then hear as before', async () => {
  const errors: unknown[] = []
  const store = await open({ onError: (error) => errors.push(error) })
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  for (let round = 1; round <= 2; round += 1) {
    expect(await stage.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1)
    await until(() => expect(heard.filter((news) => news.resync)).toHaveLength(round))
    const job = aJob()
    await accept(store, aChange(job))
    await until(() => expect(heard.flatMap((news) => news.jobs ?? [])).toContain(job.id))
  }
  expect(errors).not.toEqual([])
})

test('connections that are silently dead are noticed and replaced: calls fail, the gap is told, all goes on', async () => {
  const onPort = await testRedis({ port: true })
  const proxy = await silenceableProxy(`postgresql://127.0.0.1:${onPort.port}`)
  try {
    const through = { url: proxy.connectionString.replace(/^postgresql:/, 'redis:').replace(/\?.*$/, '') }
    const signs = { checkEveryMs: 50, checkTimeoutMs: 200 }
    const store = await createRedisStore({ server: through, instance: 'through', ...signs })
    const direct = await createRedisStore({ server: onPort.address, instance: 'direct' })
    stage.opened.push(store, direct)
    const heard: Wakeup[] = []
    store.subscribe((news) => heard.push(news))
    const hears = async (): Promise<void> => {
      const job = aJob()
      await accept(direct, aChange(job))
      await until(() => expect(heard.flatMap((news) => news.jobs ?? [])).toContain(job.id))
    }
    await hears()
    // Packets vanish, and nobody says that the connections are gone.
    proxy.silence()
    await expect(store.commit([aChange(aJob())])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await until(() => expect(heard).toContainEqual({ resync: true }))
    await hears()
    await until(() => accept(store, aChange(aJob())))
  } finally {
    await Promise.all(stage.opened.map((store) => store.close()))
    stage.opened = []
    await proxy.close()
    await onPort.stop()
  }
})

test('closing while the connection for news is being replaced leaves no connection behind', async () => {
  const store = await open()
  await stage.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await store.close()
  stage.opened = []
  await until(async () => expect(await connections()).toBe(0))
})

test('a message that is no news is taken for a gap', async () => {
  const store = await open()
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  await stage.redis.command('PUBLISH', '{tutti}:news', 'hello')
  await until(() => expect(heard).toContainEqual({ resync: true }))
})
