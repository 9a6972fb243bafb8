/** Which instance has a due job in hand: shared, taken over from one that crashed, given back by one that closes; and a stream that somebody broke. */
import type { Store } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, ended, here, next } from '../src/conformance/subject.ts'
import { redisPerTest } from './redis-per-test.ts'

const stage = redisPerTest()
const { open } = stage

const dueStream = '{tutti}:due transcode@1'

/** How many jobs each instance has in hand, as `XINFO CONSUMERS` shows it. */
const inHand = async (): Promise<Record<string, number>> => {
  const consumers = (await stage.redis.command('XINFO', 'CONSUMERS', dueStream, 'instances')) as {
    name: string
    pending: number
  }[]
  return Object.fromEntries(consumers.map(({ name, pending }) => [name, pending]))
}

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
  expect(await stage.redis.command('XLEN', dueStream)).toBe(1)
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
    await stage.redis.command('ZADD', '{tutti}:waking transcode@1', '5', id)
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
  stage.opened = []
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
  await stage.redis.command('XADD', dueStream, '*', 'job', 'stranger')
  expect(await take()).toEqual(both)
  await stage.redis.command('DEL', dueStream)
  expect(await take()).toEqual(both)
  await stage.redis.command('XTRIM', dueStream, 'MAXLEN', '0')
  expect(await take()).toEqual(both)
  expect(await stage.redis.command('XLEN', dueStream)).toBe(2)
})
