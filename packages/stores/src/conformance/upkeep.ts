/** Looking at the whole of the Store, and keeping it from growing for ever. */
import type { Job } from '@tutti/engine'
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  anEvent,
  aTask,
  aTimer,
  type Current,
  commitOne,
  dueTimers,
  fenceOf,
  here,
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

const far = 4_000_000_000_000

export const upkeepSuite = (current: Current): void => {
  const over = (patch: Partial<Job> = {}): Job => aJob({ status: 'finished', finishedAt: 5_000, seq: 1, ...patch })
  const stored = async (...jobs: Job[]): Promise<void> =>
    accept(current().store, ...jobs.map((job) => aChange(job, { events: [anEvent(job, 1)] })))
  const there = async (...jobs: Job[]): Promise<boolean[]> =>
    (await current().store.job(jobs.map(({ id }) => id))).map((job) => job !== undefined)
  const purge = (patch: Partial<Parameters<ReturnType<Current>['store']['purge']>[0]>) =>
    current().store.purge({ finishedBefore: 0, feedBefore: 0, limit: 100, ...patch })

  test('jobs are counted by status, tasks by queue, for one client or for all', async () => {
    const { store } = current()
    const before = store.now()
    await jobWith(store, [{ skill: 'a' }, { skill: 'a', visibleAt: far }, { skill: 'b' }], { client: 'x' })
    await jobWith(
      store,
      [
        { skill: 'a', concurrencyKey: 'k' },
        { skill: 'a', concurrencyKey: 'k' },
      ],
      { client: 'y' },
    )
    await stored(over({ client: 'x' }))
    await leaseOne(store, { queues: ['b'] })
    const stats = await store.stats(null)
    expect(stats.jobs).toEqual({ waiting_for_worker: 2, finished: 1 })
    const byQueue = new Map(stats.queues.map((each) => [each.queue, each]))
    expect(byQueue.get('a')).toMatchObject({ waiting: 4, leased: 0 })
    expect(byQueue.get('b')).toEqual({ queue: 'b', waiting: 0, leased: 1, oldestAt: null })
    const oldestAt = byQueue.get('a')?.oldestAt ?? 0
    expect(oldestAt).toBeGreaterThanOrEqual(before - 1_000)
    expect(oldestAt).toBeLessThanOrEqual(store.now() + 1_000)
    const ofX = await store.stats('x')
    expect(ofX.jobs).toEqual({ waiting_for_worker: 1, finished: 1 })
    expect(ofX.queues.find(({ queue }) => queue === 'a')).toMatchObject({ waiting: 2 })
    expect(await store.stats('nobody')).toEqual({ jobs: {}, queues: [] })
  })

  test('every queue that holds tasks is named: waiting, held back, in a worker’s hands', async () => {
    const { store } = current()
    const long = JSON.stringify(['skill', { properties: 'é'.repeat(6_000) }, 'default'])
    await jobWith(store, [
      { queue: 'waits' },
      { queue: 'taken', priority: 9 },
      { queue: 'k', concurrencyKey: 'k' },
      { queue: 'held', concurrencyKey: 'k' },
      { queue: long },
      { queue: 'nul\u0000' },
    ])
    await leaseOne(store, { queues: ['taken'] })
    expect(new Set(await store.queues())).toEqual(new Set(['waits', 'taken', 'k', 'held', long, 'nul\u0000']))
    expect((await leaseOne(store, { queues: [long] })).task.queue).toBe(long)
    expect((await store.stats(null)).queues.map(({ queue }) => queue)).toContain(long)
  })

  test('a task may be handed out again from another queue, and comes as one of it', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ id: 'moves', queue: 'from' }])
    await jobWith(store, [{ id: 'there', queue: 'to', fairKey: 'other' }])
    await leaseOne(store, { queues: ['from'] })
    await accept(store, aChange(next(job), { requeue: [{ taskId: 'moves', attempt: 2, visibleAt: 0, queue: 'to' }] }))
    expect(await store.queues()).toContain('to')
    expect(await lease(store, { queues: ['from'] })).toEqual([])
    const leases = await lease(store, { queues: ['to'], max: 5 })
    expect(idsOf(leases).sort()).toEqual(['moves', 'there'])
    expect(leases.map(({ task }) => task.queue)).toEqual(['to', 'to'])
    await store.release(leases.map(fenceOf))
    expect(await lease(store, { queues: ['to'], max: 5 })).toHaveLength(2)
  })

  test('a poll that names hundreds of queues gets the best of all', async () => {
    const { store } = current()
    const queues = Array.from({ length: 300 }, (_, at) => `queue-${at}`)
    const job = aJob()
    const enqueue = queues.map((queue, at) => aTask(job, { id: `t${at}`, queue, priority: (at * 7) % 300 }))
    await accept(store, aChange(job, { enqueue }))
    const best = [...enqueue].sort((a, b) => b.priority - a.priority).map(({ id }) => id)
    expect(idsOf(await lease(store, { queues, max: 5 }))).toEqual(best.slice(0, 5))
    expect(idsOf(await lease(store, { queues: [...queues].reverse(), max: 1 }))).toEqual(best.slice(5, 6))
  })

  test('polls of many queues at once, over two clients: no task twice, none forgotten', async () => {
    const clients = [current().store, await current().second()]
    const queues = Array.from({ length: 40 }, (_, at) => `queue-${at}`)
    await jobWith(
      current().store,
      Array.from({ length: 160 }, (_, at) => ({ queue: queues[at % 40] as string, fairKey: `f${at % 3}` })),
    )
    const taken: string[] = []
    const poll = async (at: number): Promise<void> => {
      const store = clients[at % 2]
      while (store && taken.length < 160) taken.push(...idsOf(await lease(store, { queues, max: 1 + (at % 3) })))
    }
    await Promise.all(Array.from({ length: 12 }, (_, at) => poll(at)))
    expect(taken).toHaveLength(160)
    expect(new Set(taken).size).toBe(160)
  })

  test('a job that has ended is removed with its log and its timers; one that runs is not', async () => {
    const { store } = current()
    const [done, failed, running] = [over(), over({ status: 'failed' }), aJob({ seq: 1 })]
    await stored(done, failed, running)
    // A message that came when it had ended.
    await accept(store, aChange(next(running), { setTimers: [aTimer(done), aTimer(failed, { id: 'stays' })] }))
    const asked = [done.id, running.id, crypto.randomUUID(), 'no-uuid']
    expect(await store.removeJobs(asked)).toEqual([done.id])
    expect(await there(done, failed, running)).toEqual([false, true, true])
    expect(await store.events(done.id, 0, 9)).toEqual([])
    expect(await store.events(failed.id, 0, 9)).toHaveLength(1)
    expect(await dueTimers(store)).toEqual(['stays'])
    expect(await store.removeJobs([done.id])).toEqual([])
    expect((await store.jobs({ client: null, limit: 9 })).jobs).toHaveLength(2)
    expect(await commitOne(store, aChange(next(done)))).toEqual({ accepted: false, reason: 'stale' })
    await stored(done)
  })

  test('jobs that ended long enough ago are purged, the oldest first, at most so many', async () => {
    const { store } = current()
    const jobs = [3_000, 1_000, 2_000, 9_000].map((finishedAt) => over({ finishedAt }))
    const running = aJob({ finishedAt: null, seq: 1, createdAt: 1 })
    await stored(...jobs, running)
    const [third, first, second, young] = jobs as [Job, Job, Job, Job]
    expect((await purge({ finishedBefore: 4_000, limit: 2 })).sort()).toEqual([first.id, second.id].sort())
    expect(await there(third, young)).toEqual([true, true])
    expect(await purge({ finishedBefore: 4_000 })).toEqual([third.id])
    expect(await purge({ finishedBefore: 4_000 })).toEqual([])
    expect(await purge({ finishedBefore: far })).toEqual([young.id])
    expect(await there(running)).toEqual([true])
    expect(await store.events(first.id, 0, 9)).toEqual([])
  })

  test('feed lines are purged by their age; the logs stay', async () => {
    const { store } = current()
    const job = aJob({ seq: 1 })
    await stored(job)
    const read = async () => (await store.feed({ after: null, limit: 9 })).events.map(({ jobId }) => jobId)
    await expect.poll(read).toEqual([job.id])
    await purge({ feedBefore: store.now() - 60_000 })
    expect(await read()).toEqual([job.id])
    await purge({ feedBefore: store.now() + 60_000 })
    expect(await read()).toEqual([])
    expect(await store.events(job.id, 0, 9)).toHaveLength(1)
    const later = aJob({ seq: 1 })
    await stored(later)
    await expect.poll(read).toEqual([later.id])
  })

  test('workers and records that have expired are purged, and no others', async () => {
    const { store } = current()
    const worker = (id: string, expiresAt: number) => ({
      id,
      bootId: 'boot-1',
      skills: [],
      info: {},
      registeredAt: 1,
      lastSeenAt: 1,
      expiresAt,
    })
    const record = { kind: 'note', owner: null, ref: null, rev: 1, dueAt: null, body: {} }
    await store.putWorker(worker('gone', 1_000))
    await store.putWorker(worker('there', far))
    await store.putRecords([
      { ...record, id: 'gone', expiresAt: 1_000 },
      { ...record, id: 'there', expiresAt: far },
      { ...record, id: 'stays', expiresAt: null },
    ])
    await purge({})
    expect((await store.workers()).map(({ id }) => id)).toEqual(['there'])
    expect(await store.putWorker(worker('gone', far))).toBeUndefined()
    expect((await store.listRecords({ kind: 'note', limit: 9 })).map(({ id }) => id)).toEqual(['stays', 'there'])
  })

  test('purging while tasks come: no queue that holds tasks is forgotten', async () => {
    const clients = [current().store, await current().second()] as const
    let purging = true
    const purges = (async () => {
      while (purging) await clients[1].purge({ finishedBefore: 0, feedBefore: 0, limit: 10 })
    })()
    for (let round = 0; round < 30; round += 1) {
      const job = await jobWith(clients[0], [{ queue: `q${round % 3}` }])
      expect(await clients[1].queues()).toContain(`q${round % 3}`)
      await accept(clients[0], aChange(next(job, { status: 'finished', finishedAt: 1 })))
    }
    purging = false
    await purges
    expect(await clients[0].nextDue(here, [])).toBeNull()
  })

  test('queues without tasks are forgotten in the end', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ queue: 'empty' }])
    await jobWith(store, [{ queue: 'full' }])
    await accept(store, aChange(next(job, { status: 'finished', finishedAt: 1 })))
    await purge({})
    expect(await store.queues()).toEqual(['full'])
  })
}
