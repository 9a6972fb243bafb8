/** What can only go wrong with a real server: restarts, lost connections, lost scripts, crashed instances, settings, backlogs. */
import type { Store, Wakeup } from '@tutti/engine'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
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
import { type RedisStoreOptions, SchemaVersionError } from '../src/index.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { type TestRedis, testRedis } from '../src/testing/redis.ts'
import { silenceableProxy } from './silenceable-proxy.ts'

let redis: TestRedis
let opened: Store[]

beforeEach(async () => {
  // All that was acknowledged is on the disk.
  redis = await testRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
  opened = []
})

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()))
  await redis.stop()
})

type Options = Partial<Omit<RedisStoreOptions, 'server' | 'cluster'>>

const open = async (options: Options = {}): Promise<Store> => {
  const store = await createRedisStore({ server: redis.address, instance: 'here', ...options })
  opened.push(store)
  return store
}

const until = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

const connections = async (): Promise<number> => {
  const list = String(await redis.command('CLIENT', 'LIST'))
  // The one that asks is no connection of a Store.
  return list.trim().split('\n').length - 1
}

const dueStream = '{tutti}:due transcode@1'

/** How many jobs each instance has in hand, as `XINFO CONSUMERS` shows it. */
const inHand = async (): Promise<Record<string, number>> => {
  const consumers = (await redis.command('XINFO', 'CONSUMERS', dueStream, 'instances')) as {
    name: string
    pending: number
  }[]
  return Object.fromEntries(consumers.map(({ name, pending }) => [name, pending]))
}

test('keys of a newer layout are refused, and left as they are', async () => {
  await (await open()).close()
  opened = []
  await redis.command('HSET', '{tutti}', 'layout', '9999')
  const refused = createRedisStore({ server: redis.address, instance: 'here' })
  await expect(refused).rejects.toThrow(SchemaVersionError)
  await expect(refused).rejects.toThrow(/9999/)
  expect(await redis.command('HGET', '{tutti}', 'layout')).toBe('9999')
  // Nothing stays open that would keep the process alive.
  await until(async () => expect(await connections()).toBe(0))
})

test('a server that can not be reached is an error at once, not a hang', async () => {
  const server = { socket: { path: '/nowhere/redis.sock', tls: false as const } }
  await expect(createRedisStore({ server, instance: 'here' })).rejects.toThrow(/ENOENT/)
})

test('a prefix that would break the hash tag is refused', async () => {
  for (const prefix of ['', 'a{b', 'a}b', 'a b']) await expect(open({ prefix })).rejects.toThrow(/prefix/)
})

test('two prefixes on one server know nothing of each other', async () => {
  const [one, other] = [await open(), await open({ prefix: 'other' })]
  const heard: Wakeup[] = []
  other.subscribe((news) => heard.push(news))
  const job = await jobWith(one, [{}])
  expect(await other.job([job.id])).toEqual([undefined])
  expect(await lease(other)).toEqual([])
  await jobWith(other, [])
  await until(() => expect(heard).toHaveLength(1))
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
  await redis.restart()
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
  await redis.command('CLIENT', 'KILL', 'SKIPME', 'yes')
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
  await redis.stop()
  await until(async () => {
    await expect(store.commit([aChange(aJob())])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
  await expect(store.job([crypto.randomUUID()])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.events(crypto.randomUUID(), 0, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('a server out of memory refuses a change whole, and says so as something that passes', async () => {
  const store = await open()
  const held = await jobWith(store, [{}])
  await redis.command('CONFIG', 'SET', 'maxmemory', '1')
  const job = aJob()
  const changes = [aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)] }), aChange(ended(held))]
  await expect(store.commit(changes)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  expect(await store.job([job.id, held.id])).toEqual([undefined, held])
  expect(await lease(store, { max: 5 })).toHaveLength(1)
  await accept(store, ...changes)
})

test('a server that forgot the scripts is given them again', async () => {
  const store = await open()
  const job = await jobWith(store, [{}])
  await redis.command('SCRIPT', 'FLUSH')
  const [leased] = await lease(store)
  if (!leased) throw new Error('a task was enqueued')
  await redis.command('SCRIPT', 'FLUSH')
  await accept(store, aChange(ended(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
})

test('the connection for news is killed: listeners are told of the gap, and then hear as before', async () => {
  const errors: unknown[] = []
  const store = await open({ onError: (error) => errors.push(error) })
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  for (let round = 1; round <= 2; round += 1) {
    expect(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1)
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
    opened.push(store, direct)
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
    await Promise.all(opened.map((store) => store.close()))
    opened = []
    await proxy.close()
    await onPort.stop()
  }
})

test('closing while the connection for news is being replaced leaves no connection behind', async () => {
  const store = await open()
  await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await store.close()
  opened = []
  await until(async () => expect(await connections()).toBe(0))
})

test('a message that is no news is taken for a gap', async () => {
  const store = await open()
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  await redis.command('PUBLISH', '{tutti}:news', 'hello')
  await until(() => expect(heard).toContainEqual({ resync: true }))
})

test('instances share the due jobs, and each is the consumer that has its own in hand', async () => {
  const stores = [await open({ instance: 'tutti-0' }), await open({ instance: 'tutti-1' })] as const
  const jobs = Array.from({ length: 10 }, () => aJob({ wakeAt: 5 }))
  await accept(stores[0], ...jobs.map((job) => aChange(job)))
  const take = (store: Store, limit: number) => store.leaseJobs({ blueprints: here, limit, leaseMs: 60_000 })
  const [mine, others] = [await take(stores[0], 4), await take(stores[1], 100)]
  expect([mine.length, others.length]).toEqual([4, 6])
  expect(new Set([...mine, ...others].map((job) => job.id)).size).toBe(10)
  expect(await inHand()).toEqual({ 'tutti-0': 4, 'tutti-1': 6 })

  const [first, ...rest] = mine
  if (!first) throw new Error('four were taken')
  // Its handler has run, and is to run again at once: it goes from hand to hand.
  await accept(
    stores[0],
    aChange(next(first, { wakeAt: 5 })),
    ...rest.map((job) => aChange(next(job, { wakeAt: null }))),
  )
  expect(await inHand()).toEqual({ 'tutti-0': 0, 'tutti-1': 6 })
  expect((await take(stores[1], 100)).map((job) => job.id)).toEqual([first.id])
  expect(await inHand()).toEqual({ 'tutti-0': 0, 'tutti-1': 7 })
  await accept(stores[1], ...others.map((job) => aChange({ ...ended(job), wakeAt: null })))
  // Nothing of what is done stays in the stream.
  expect(await redis.command('XLEN', dueStream)).toBe(1)
})

test('a crashed instance’s jobs are taken over when their lease ends, and its consumer goes', async () => {
  const crashed = await open({ instance: 'crashed' })
  const job = aJob({ wakeAt: 5 })
  const other = aJob({ wakeAt: 6 })
  await accept(crashed, aChange(job), aChange(other))
  const short = await crashed.leaseJobs({ blueprints: here, limit: 1, leaseMs: 0 })
  const heldOn = await crashed.leaseJobs({ blueprints: here, limit: 2, leaseMs: 60_000 })
  expect([short.length, heldOn.length]).toEqual([1, 2])
  // As if it had stopped when it had one of them in hand for too long already.
  const survivor = await open({ instance: 'survivor', consumerIdleMs: 0 })
  expect(await survivor.leaseJobs({ blueprints: here, limit: 5, leaseMs: 60_000 })).toEqual([])
  for (const { id } of [job, other]) {
    await redis.command('ZADD', '{tutti}:waking transcode@1', '5', id)
    const [taken] = await survivor.leaseJobs({ blueprints: here, limit: 5, leaseMs: 60_000 })
    expect(taken?.id).toBe(id)
    expect((await inHand()).survivor).toBe(id === job.id ? 1 : 2)
  }
  expect(await inHand()).toEqual({ survivor: 2 })
  // What the crashed one may still send is late.
  const late = heldOn.map((each) => aChange(next(each, { wakeAt: null })))
  expect(await crashed.commit(late)).toEqual(late.map(() => ({ accepted: false, reason: 'stale' })))
  // And it is no outcast.
  await accept(crashed, aChange(aJob({ wakeAt: 5 })))
  expect(await crashed.leaseJobs({ blueprints: here, limit: 5, leaseMs: 60_000 })).toHaveLength(1)
  expect(await inHand()).toEqual({ crashed: 1, survivor: 2 })
})

test('an instance that closes leaves the group, unless it has jobs in hand', async () => {
  const [leaves, stays] = [await open({ instance: 'leaves' }), await open({ instance: 'stays' })]
  for (const store of [leaves, stays]) {
    await accept(store, aChange(aJob({ wakeAt: 5 })))
    const [job] = await store.leaseJobs({ blueprints: here, limit: 1, leaseMs: 60_000 })
    if (store === leaves && job) await accept(store, aChange(next(job, { wakeAt: null })))
  }
  await Promise.all([leaves.close(), stays.close()])
  opened = []
  expect(await inHand()).toEqual({ stays: 1 })
})

test('a stream that was deleted or written to by a stranger loses no job', async () => {
  const store = await open()
  const jobs = [aJob({ wakeAt: 5 }), aJob({ wakeAt: 6 })]
  await accept(store, ...jobs.map((job) => aChange(job)))
  const take = async (): Promise<string[]> => {
    const taken = await store.leaseJobs({ blueprints: here, limit: 5, leaseMs: 0 })
    return taken.map((job) => job.id).sort()
  }
  const both = jobs.map((job) => job.id).sort()
  expect(await take()).toEqual(both)
  await redis.command('XADD', dueStream, '*', 'job', 'stranger')
  expect(await take()).toEqual(both)
  await redis.command('DEL', dueStream)
  expect(await take()).toEqual(both)
  await redis.command('XTRIM', dueStream, 'MAXLEN', '0')
  expect(await take()).toEqual(both)
  expect(await redis.command('XLEN', dueStream)).toBe(2)
})

test.each([
  ['snapshots only', { appendonly: 'no', save: '3600 1' }, [/since the last one/]],
  ['nothing at all', { appendonly: 'no', save: '' }, [/memory alone/]],
  ['a log that is never synced', { appendonly: 'yes', appendfsync: 'no' }, [/appendfsync no/]],
  ['a log synced every second', { appendonly: 'yes', appendfsync: 'everysec' }, []],
  ['a log synced always', { appendonly: 'yes', appendfsync: 'always' }, []],
  ['eviction', { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb' }, [/noeviction/]],
  ['eviction without a limit yet', { 'maxmemory-policy': 'volatile-ttl' }, [/as soon as a limit .*noeviction/]],
  [
    'several at once',
    { appendonly: 'no', save: '', 'maxmemory-policy': 'allkeys-lru' },
    [/noeviction/, /memory alone/],
  ],
] as const)('the operator is told what a server with %s puts at risk', async (_, settings, expected) => {
  for (const [name, value] of Object.entries(settings)) await redis.command('CONFIG', 'SET', name, value)
  const warnings: string[] = []
  await open({ onWarning: (text) => warnings.push(text) })
  expect(warnings).toHaveLength(expected.length)
  for (const [at, pattern] of expected.entries()) expect(warnings[at]).toMatch(pattern)
})

test('a server that keeps its settings to itself is used, with a warning', async () => {
  await redis.command('ACL', 'SETUSER', 'default', '-config')
  const warnings: string[] = []
  const store = await open({ onWarning: (text) => warnings.push(text) })
  expect(warnings).toEqual([expect.stringMatching(/can't be known/)])
  await accept(store, aChange(aJob()))
})

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
    const keys = (await redis.command('KEYS', '*')) as string[]
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
    const stats = String(await redis.command('INFO', 'commandstats'))
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
