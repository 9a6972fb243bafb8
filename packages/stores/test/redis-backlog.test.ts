/** Much at once, and much that waits: what an operation costs does not grow with it, and nothing of it stays. */
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
  here,
  jobWith,
  lease,
  next,
} from '../src/conformance/subject.ts'
import { redisPerTest } from './redis-per-test.ts'

const stage = redisPerTest()
const { open } = stage

test('hundreds of changes in one call, and a fan-out of thousands in one change', async () => {
  const store = await open()
  const jobs = Array.from({ length: 500 }, () => aJob({ seq: 2, tags: ['a', 'b'] }))
  await accept(
    store,
    ...jobs.map((job) =>
      aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)], events: [anEvent(job, 1), anEvent(job, 2)] }),
    ),
  )
  const fan = aJob({ seq: 3_000 })
  const enqueue = Array.from({ length: 20_000 }, () => aTask(fan, { queue: 'fan' }))
  const events = Array.from({ length: 3_000 }, (_, at) => anEvent(fan, at + 1))
  await accept(store, aChange(fan, { enqueue, events }))
  const leases = await lease(store, { queues: ['fan'], max: 20_000 })
  expect(leases.map(({ task }) => task.id)).toEqual(enqueue.map(({ id }) => id))
  await accept(store, aChange(ended({ ...fan, seq: 3_000 })))
  expect(await store.stats(null)).toMatchObject({ queues: [{ queue: 'video.render', waiting: 500 }] })
})

test('of tasks, timers, leases and turns nothing stays when their jobs are over', async () => {
  const store = await open()
  const job = await jobWith(store, [
    { concurrencyKey: 'k', fairKey: 'a' },
    { concurrencyKey: 'k', fairKey: 'b' },
    { concurrencyKey: 'k', pickupBy: 1 },
    { pickupBy: 1 },
    { queue: 'other', priority: 3, pickupBy: store.now() + 60_000 },
    { visibleAt: store.now() + 60_000 },
    {},
  ])
  const [first, second] = await lease(store, { max: 2 })
  if (!first || !second) throw new Error('two tasks were open')
  await store.release([fenceOf(second)])
  await store.leaseTimers({ limit: 10, leaseMs: 60_000 })
  const again = next(job, { wakeAt: 5 })
  const requeue = [{ taskId: first.task.id, attempt: 2, visibleAt: 0, queue: 'third' }]
  await accept(store, aChange(again, { requeue, setTimers: [aTimer(job)] }))
  await store.leaseJobs({ blueprints: here, limit: 1, leaseMs: 60_000 })
  const [leased] = await store.job([job.id])
  await accept(store, aChange({ ...ended(leased ?? again), wakeAt: null }))
  const stations = async (): Promise<string[]> => {
    const keys = (await stage.redis.command('KEYS', '*')) as string[]
    return [...new Set(keys.map((key) => key.replace('{tutti}:', '').split(' ')[0] ?? ''))].sort()
  }
  // The stream is empty, and keeps its group.
  expect(await stations()).toEqual(['due', 'ended', 'job', 'jobs', 'kinds', '{tutti}'])
  expect(await store.removeJobs([job.id])).toEqual([job.id])
  expect(await stations()).toEqual(['due', 'kinds', '{tutti}'])
})

test('what an operation does in the server does not grow with the backlog', async () => {
  const store = await open()
  const calls = async (): Promise<number> => {
    const stats = String(await stage.redis.command('INFO', 'commandstats'))
    return (
      [...stats.matchAll(/cmdstat_([a-z|]+):calls=(\d+)/g)]
        // Of these one more or less comes by itself.
        .filter(([, name]) => !/^(ping|info|time|config|client)/.test(name ?? ''))
        .reduce((sum, [, , count]) => sum + Number(count), 0)
    )
  }
  const round = async (): Promise<number> => {
    const before = await calls()
    const job = await jobWith(store, [{ priority: 1 }, { priority: 1, concurrencyKey: 'k' }])
    const leases = await lease(store, { max: 2 })
    expect(leases.map(({ task }) => task.jobId)).toEqual([job.id, job.id])
    await store.renew({ worker: 'worker-1', leaseMs: 60_000 })
    const [first] = leases
    if (!first) throw new Error('two tasks were enqueued')
    await store.release([fenceOf(first)])
    await lease(store, { max: 1 })
    const second = next(job, { wakeAt: 5 })
    await accept(store, aChange(second, { setTimers: [aTimer(job)], close: [first.task.id] }))
    await store.leaseTimers({ limit: 10, leaseMs: 60_000 })
    const [taken] = await store.leaseJobs({ blueprints: here, limit: 10, leaseMs: 60_000 })
    await store.nextDue(here, ['schedule'])
    await store.feed({ after: null, limit: 1 })
    await store.jobs({ client: 'client-a', limit: 1 })
    await store.stats(null)
    await accept(store, aChange({ ...ended(taken ?? second), wakeAt: null }))
    return (await calls()) - before
  }
  await round()
  const alone = await round()
  const backlog = aJob()
  for (let made = 0; made < 20_000; made += 1_000)
    await accept(
      store,
      aChange(made === 0 ? backlog : aJob(), {
        enqueue: Array.from({ length: 1_000 }, (_, at) =>
          aTask(backlog, { fairKey: `fair${at % 100}`, concurrencyKey: at % 4 === 0 ? `key${made + at}` : null }),
        ),
        setTimers: Array.from({ length: 1_000 }, () => aTimer(backlog, { dueAt: 4_000_000_000_000 })),
      }),
    )
  // Some fewer: what is not the last of its kind needs not be tidied away.
  expect(await round()).toBeLessThanOrEqual(alone)
})
