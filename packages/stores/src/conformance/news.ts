/** News: heard by every client, also by those who did not make it. */
import type { Store, Wakeup } from '@tutti/engine'
import { expect, test, vi } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  aTask,
  aTimer,
  type Current,
  fenceOf,
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

interface Heard {
  queues: Record<string, number>
  jobs: string[]
  revoked: NonNullable<Wakeup['revoked']>
  dueAt: number | null
}

/** Everything a client has heard so far, as one. */
const hear = (store: Store): Heard & { stop: () => void } => {
  const heard: Heard = { queues: {}, jobs: [], revoked: [], dueAt: null }
  const stop = store.subscribe((news) => {
    for (const [skill, count] of Object.entries(news.queues ?? {}))
      heard.queues[skill] = (heard.queues[skill] ?? 0) + count
    heard.jobs.push(...(news.jobs ?? []))
    heard.revoked.push(...(news.revoked ?? []))
    if (news.dueAt !== undefined) heard.dueAt = Math.min(heard.dueAt ?? Number.POSITIVE_INFINITY, news.dueAt)
  })
  return Object.assign(heard, { stop })
}

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

export const newsSuite = (current: Current): void => {
  /** Commits something that everybody hears, and waits for it: all earlier news has arrived then. */
  const flush = async (heard: Heard): Promise<void> => {
    const marker = aJob()
    await accept(current().store, aChange(marker))
    await until(() => expect(heard.jobs).toContain(marker.id))
  }

  test('new tasks are told by skill and number, and jobs by id', async () => {
    const mine = hear(current().store)
    const other = hear(await current().second())
    const job = await jobWith(current().store, [{ skill: 'a' }, { skill: 'b' }, { skill: 'a' }])
    for (const heard of [mine, other]) {
      await flush(heard)
      expect(heard.queues).toEqual({ a: 2, b: 1 })
      expect(heard.jobs).toContain(job.id)
    }
  })

  test('nothing is told of what was refused', async () => {
    const heard = hear(await current().second())
    const refused = aJob()
    await current().store.commit([aChange(next(refused), { enqueue: [aTask(refused)], setTimers: [aTimer(refused)] })])
    await flush(heard)
    expect(heard.queues).toEqual({})
    expect(heard.jobs).not.toContain(refused.id)
  })

  test('tasks that become available are told of: given back, next of a key, tried again', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ skill: 'a' }, { skill: 'a' }, { skill: 'k', concurrencyKey: 'k' }])
    const blocked = await jobWith(store, [{ skill: 'next', concurrencyKey: 'k' }])
    const leases = await lease(store, { queues: ['a', 'k'], max: 3 })
    const [a, b, k] = leases
    if (!a || !b || !k) throw new Error('three tasks were enqueued')
    const heard = hear(await current().second())
    await flush(heard)
    Object.assign(heard, { queues: {} })
    await store.release([fenceOf(a), fenceOf(b)])
    await flush(heard)
    expect(heard.queues).toEqual({ a: 2 })
    await accept(store, aChange(next(job), { close: [k.task.id] }))
    await flush(heard)
    expect(heard.queues).toEqual({ a: 2, next: 1 })
    const { task } = await leaseOne(store, { queues: ['next'] })
    await accept(store, aChange(next(blocked), { requeue: [{ taskId: task.id, attempt: 2, visibleAt: 0 }] }))
    await flush(heard)
    expect(heard.queues).toEqual({ a: 2, next: 2 })
  })

  test('a task that waits, for its key or its next try, is not told of as available', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ skill: 'k', concurrencyKey: 'k' }])
    const { task } = await leaseOne(store, { queues: ['k'] })
    const heard = hear(await current().second())
    await flush(heard)
    Object.assign(heard, { queues: {} })
    await jobWith(store, [{ skill: 'k', concurrencyKey: 'k' }])
    const visibleAt = store.now() + 3_600_000
    await accept(store, aChange(next(job), { requeue: [{ taskId: task.id, attempt: 2, visibleAt }] }))
    await flush(heard)
    expect(heard.queues.k ?? 0).toBe(0)
    expect(heard.dueAt).toBeLessThanOrEqual(visibleAt)
  })

  test('a worker that loses a task without having answered is named', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}, {}, {}, {}])
    const leases = await lease(store, { max: 3 })
    const [answered, closed, requeued] = leases
    if (!answered || !closed || !requeued) throw new Error('four tasks were enqueued')
    const heard = hear(await current().second())
    const after = next(job)
    await accept(
      store,
      aChange(after, {
        fences: [fenceOf(answered), fenceOf(closed)],
        answered: [answered.task.id],
        close: [answered.task.id, closed.task.id],
        requeue: [{ taskId: requeued.task.id, attempt: 2, visibleAt: 0 }],
      }),
    )
    await flush(heard)
    const revoked = (taskId: string) => ({ worker: 'worker-1', taskId, jobId: job.id })
    expect(heard.revoked.map((each) => each.taskId).sort()).toEqual([closed.task.id, requeued.task.id].sort())
    expect(heard.revoked).toContainEqual(revoked(closed.task.id))
    const rest = await lease(store, { worker: 'worker-2', max: 5 })
    await accept(store, aChange(next(after, { status: 'cancelled' })))
    await flush(heard)
    expect(
      heard.revoked
        .slice(2)
        .map((each) => [each.worker, each.taskId])
        .sort(),
    ).toEqual(
      idsOf(rest)
        .map((id) => ['worker-2', id])
        .sort(),
    )
  })

  test('a worker that answered with a failure is not told that its task was taken away', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store)
    const heard = hear(await current().second())
    const requeue = [{ taskId: leased.task.id, attempt: 2, visibleAt: 0 }]
    await accept(store, aChange(next(job), { fences: [fenceOf(leased)], answered: [leased.task.id], requeue }))
    await flush(heard)
    expect(heard.revoked).toEqual([])
  })

  test('hundreds of lost leases and jobs are all told of', async () => {
    const { store } = current()
    const worker = 'w'.repeat(128)
    const job = await jobWith(
      store,
      Array.from({ length: 150 }, () => ({})),
    )
    await lease(store, { worker, max: 150 })
    const heard = hear(await current().second())
    const others = Array.from({ length: 400 }, () => aJob())
    await accept(store, aChange(next(job, { status: 'cancelled' })), ...others.map((other) => aChange(other)))
    await flush(heard)
    expect(new Set(heard.revoked.map((each) => each.taskId)).size).toBe(150)
    expect(others.every((other) => heard.jobs.includes(other.id))).toBe(true)
  })

  test('names as long as they get do not keep a commit from being taken', async () => {
    const { store } = current()
    const heard = hear(await current().second())
    const queues = Array.from({ length: 100 }, (_, at) => `${at}-${'s'.repeat(200)}`)
    const job = await jobWith(
      store,
      queues.map((skill) => ({ skill })),
    )
    await lease(store, { worker: 'é'.repeat(8_000), queues, max: 30 })
    await accept(store, aChange(next(job, { status: 'cancelled' })))
    await flush(heard)
  })

  test('the earliest instant that a change sets is told', async () => {
    const { store } = current()
    const heard = hear(await current().second())
    const base = store.now() + 1_000_000
    const job = aJob({ wakeAt: base + 3 })
    await accept(
      store,
      aChange(job, { setTimers: [aTimer(job, { dueAt: base + 1 }), aTimer(job, { dueAt: base + 2 })] }),
    )
    await until(() => expect(heard.dueAt).toBe(base + 1))
  })

  test('ending a worker’s leases is told, so that somebody looks', async () => {
    const { store } = current()
    await jobWith(store, [{}])
    await leaseOne(store)
    const heard = hear(await current().second())
    await flush(heard)
    const before = store.now()
    await store.expireLeases('worker-1')
    await until(() => expect(heard.dueAt).toBeGreaterThan(0))
    await flush(heard)
    expect(heard.dueAt).toBeLessThanOrEqual(before + 10_000)
  })

  test('every listener hears until it leaves', async () => {
    const { store } = current()
    const [stays, leaves] = [hear(store), hear(store)]
    await flush(stays)
    await flush(leaves)
    leaves.stop()
    leaves.stop()
    const heardBefore = leaves.jobs.length
    await flush(stays)
    expect(leaves.jobs).toHaveLength(heardBefore)
  })

  test('kinds of records that changed are told, and when something is due about them', async () => {
    const { store } = current()
    const kinds: string[] = []
    const second = await current().second()
    const heard = hear(second)
    second.subscribe((news) => kinds.push(...(news.records ?? [])))
    const dueAt = store.now() + 1_000_000
    const record = { id: 'a', owner: null, ref: null, rev: 1, dueAt: null, expiresAt: null, body: {} }
    await store.putRecords([
      { ...record, kind: 'one', dueAt },
      { ...record, kind: 'two' },
    ])
    await flush(heard)
    expect([...kinds].sort()).toEqual(['one', 'two'])
    expect(heard.dueAt).toBe(dueAt)
    await store.putRecords([{ ...record, kind: 'refused', rev: 7 }])
    await store.dropRecords('absent', ['a'])
    await flush(heard)
    expect(kinds).toHaveLength(2)
    await store.dropRecords('one', ['a'])
    await accept(store, aChange(aJob(), { records: [{ ...record, kind: 'outbox', dueAt: dueAt - 1 }] }))
    await flush(heard)
    expect([...kinds.slice(2)].sort()).toEqual(['one', 'outbox'])
    expect(heard.dueAt).toBe(dueAt - 1)
  })

  test('queues with names too long for one message are told of all the same, or a gap is', async () => {
    const { store } = current()
    const told: Record<string, number> = {}
    let gap = false
    const second = await current().second()
    const heard = hear(second)
    second.subscribe((news) => {
      gap ||= news.resync === true
      for (const [queue, count] of Object.entries(news.queues ?? {})) told[queue] = (told[queue] ?? 0) + count
    })
    const queues = Array.from({ length: 30 }, (_, at) => `${at}-${'é'.repeat(700)}`)
    await jobWith(
      store,
      [...queues, ...queues].map((queue) => ({ queue })),
    )
    await flush(heard)
    if (!gap) expect(told).toEqual(Object.fromEntries(queues.map((queue) => [queue, 2])))
    const huge = '"'.repeat(20_000)
    await jobWith(store, [{ queue: huge }, { queue: 'small' }])
    await flush(heard)
    expect(gap || told[huge] === 1).toBe(true)
    expect(gap || told.small === 1).toBe(true)
  })

  test('the end of a lease to nobody is no news to a worker', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ pickupBy: 1 }, { id: 'again', pickupBy: 1 }])
    await store.leaseTimers({ limit: 9, leaseMs: 60_000 })
    const heard = hear(await current().second())
    await accept(store, aChange(next(job), { requeue: [{ taskId: 'again', attempt: 2, visibleAt: 0 }] }))
    await accept(store, aChange(next(next(job), { status: 'cancelled' })))
    await flush(heard)
    expect(heard.revoked).toEqual([])
  })
}
