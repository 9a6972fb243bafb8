/** One commit: all of a change or nothing of it, and each change of a batch on its own. */
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
  ended,
  fenceOf,
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

export const commitSuite = (current: Current): void => {
  test('a job is read back as it was stored', async () => {
    const { store } = current()
    const job = aJob({
      input: { url: 'https://example.org' },
      waiting: { kind: 'child', childId: 'c', on: { success: 'done' } },
      last: { status: 'success', data: [1, null], error: null },
      wakeAt: 5,
      deadlineAt: 7,
    })
    await accept(store, aChange(job))
    expect(await store.job([job.id])).toEqual([job])
    const after = next(job, { wakeAt: null, data: { pages: 3 } })
    await accept(store, aChange(after))
    expect(await store.job([job.id])).toEqual([after])
  })

  test('jobs are answered in the order asked, with a gap where there is none', async () => {
    const { store } = current()
    const [a, b] = [aJob(), aJob()]
    await accept(store, aChange(a), aChange(b))
    const unknown = crypto.randomUUID()
    expect(await store.job([b.id, unknown, a.id, b.id, 'no-uuid'])).toEqual([b, undefined, a, b, undefined])
    expect(await store.job([])).toEqual([])
  })

  test('an empty batch is answered with nothing', async () => {
    expect(await current().store.commit([])).toEqual([])
  })

  test('a mixed batch: each change is taken or refused on its own, and nothing of the refused leaks', async () => {
    const { store } = current()
    const existing = aJob()
    const moved = aJob()
    const fenced = aJob()
    const held = aTask(fenced)
    const kept = [existing, moved, fenced].map((job) => ({ task: aTask(job, { skill: 'kept' }), timer: aTimer(job) }))
    const [keptOfExisting, keptOfMoved, keptOfFenced] = kept
    if (!keptOfExisting || !keptOfMoved || !keptOfFenced) throw new Error('three jobs, three of each')
    await accept(
      store,
      ...[existing, moved, fenced].map((job, at) =>
        aChange(job, { enqueue: kept[at] ? [kept[at].task] : [], setTimers: kept[at] ? [kept[at].timer] : [] }),
      ),
    )
    const movedOn = next(moved)
    await accept(store, aChange(movedOn), aChange(next(fenced), { enqueue: [held] }))
    const late = await leaseOne(store, { leaseMs: 0 })
    const fencedNow = next(next(fenced))
    await accept(store, aChange(fencedNow, { requeue: [{ taskId: held.id, attempt: 2, visibleAt: 0 }] }))

    const everything = (
      job: ReturnType<typeof aJob>,
      of: string,
      kept?: { task: { id: string }; timer: { id: string } },
    ) => ({
      enqueue: [aTask(job, { id: `${of}-task`, skill: 'leaked' })],
      setTimers: [aTimer(job, { id: `${of}-timer` })],
      events: [anEvent(job, 1, { type: of })],
      spawn: [{ job: aJob({ id: childOf[of] ?? '' }), events: [], timers: [aTimer(job, { id: `${of}-child-timer` })] }],
      ...(kept ? { close: [kept.task.id], clearTimers: [kept.timer.id] } : {}),
    })
    const childOf: Record<string, string> = Object.fromEntries(
      ['fresh', 'exists', 'stale', 'fenced', 'unknown'].map((of) => [of, crypto.randomUUID()]),
    )
    const fresh = aJob()
    const outcomes = await store.commit([
      aChange({ ...existing, data: { by: 'a second creation' } }, everything(existing, 'exists', keptOfExisting)),
      aChange(next(moved, { status: 'finished' }), everything(moved, 'stale', keptOfMoved)),
      aChange(fresh, everything(fresh, 'fresh')),
      aChange(next(fencedNow, { status: 'finished' }), {
        ...everything(fenced, 'fenced', keptOfFenced),
        fences: [fenceOf(late)],
      }),
      aChange(next(aJob()), everything(aJob(), 'unknown')),
    ])
    expect(outcomes).toEqual([
      { accepted: false, reason: 'exists' },
      { accepted: false, reason: 'stale' },
      { accepted: true },
      { accepted: false, reason: 'fenced', tasks: [held.id] },
      { accepted: false, reason: 'stale' },
    ])
    expect(await store.job([existing.id, moved.id, fenced.id])).toEqual([existing, movedOn, fencedNow])
    expect(idsOf(await lease(store, { queues: ['leaked'], max: 10 }))).toEqual(['fresh-task'])
    expect(idsOf(await lease(store, { queues: ['kept'], max: 10 }))).toHaveLength(3)
    expect(await dueTimers(store)).toEqual(
      ['fresh-timer', 'fresh-child-timer', ...kept.map(({ timer }) => timer.id)].sort(),
    )
    for (const job of [existing, moved, fenced]) expect(await store.events(job.id, 0, 10)).toEqual([])
    expect(await store.events(fresh.id, 0, 10)).toHaveLength(1)
    const children = await store.job(Object.values(childOf))
    expect(children.map((child) => child?.id)).toEqual(
      Object.entries(childOf).map(([of, id]) => (of === 'fresh' ? id : undefined)),
    )
  })

  test('a batch of hundreds is answered in its order', async () => {
    const { store } = current()
    const jobs = Array.from({ length: 300 }, () => aJob())
    await accept(store, ...jobs.filter((_, at) => at % 3 === 0).map((job) => aChange(job)))
    const outcomes = await store.commit(jobs.map((job) => aChange(job)))
    expect(outcomes.map((outcome) => outcome.accepted)).toEqual(jobs.map((_, at) => at % 3 !== 0))
  })

  test('a terminal job takes its tasks and timers with it, also those of earlier commits, and no others', async () => {
    const { store } = current()
    const other = await jobWith(store, [{ id: 'of-another-job' }])
    const job = aJob()
    await accept(
      store,
      aChange(job, {
        enqueue: [
          aTask(job, { priority: 9 }),
          aTask(job),
          aTask(job, { concurrencyKey: 'k' }),
          aTask(job, { concurrencyKey: 'k' }),
        ],
        setTimers: [aTimer(job)],
      }),
    )
    const inHand = await leaseOne(store)
    const second = next(job)
    await accept(store, aChange(second, { setTimers: [aTimer(job)], enqueue: [aTask(job)] }))
    await accept(store, aChange(ended(second), { setTimers: [aTimer(other, { id: 'for-another-job' })] }))
    expect(idsOf(await lease(store, { max: 10 }))).toEqual(['of-another-job'])
    expect(await dueTimers(store)).toEqual(['for-another-job'])
    expect(await store.held('worker-1', inHand.task.id)).toBeUndefined()
    expect(await store.renew({ worker: 'worker-1', taskIds: [inHand.task.id], leaseMs: 1_000 })).toEqual([])
  })

  test('a child that exists already is left alone', async () => {
    const { store } = current()
    const parent = aJob()
    const child = aJob({ parentId: parent.id, wakeAt: 1 })
    const spawn = (job: typeof child, type: string) => [{ job, events: [anEvent(job, 1, { type })], timers: [] }]
    await accept(store, aChange(parent, { spawn: spawn({ ...child, seq: 1 }, 'first') }))
    const grown = next({ ...child, seq: 1 }, { data: { by: 'itself' }, seq: 2 })
    await accept(store, aChange(grown, { events: [anEvent(child, 2)] }))
    await accept(store, aChange(next(parent), { spawn: spawn({ ...child, data: { by: 'its parent' } }, 'again') }))
    expect(await store.job([child.id])).toEqual([grown])
    expect((await store.events(child.id, 0, 10)).map((event) => event.type)).toEqual(['first', 'progress'])
  })

  test('a task that one change hands out again and closes is closed', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store)
    const taskId = leased.task.id
    const change = aChange(next(job), { requeue: [{ taskId, attempt: 2, visibleAt: 0 }], close: [taskId] })
    await accept(store, { ...change, fences: [fenceOf(leased)] })
    expect(await lease(store)).toEqual([])
  })

  test('naming a task or timer that is gone is no fault', async () => {
    const { store } = current()
    const change = aChange(aJob(), {
      close: ['gone'],
      clearTimers: ['gone'],
      requeue: [{ taskId: 'gone', attempt: 2, visibleAt: 0 }],
    })
    expect(await commitOne(store, change)).toEqual({ accepted: true })
  })

  test('the log is gapless and ordered, and a reader resumes after any line', async () => {
    const { store } = current()
    const job = aJob({ seq: 2 })
    await accept(store, aChange(job, { events: [anEvent(job, 1), anEvent(job, 2)] }))
    const more = Array.from({ length: 10 }, (_, at) => anEvent(job, at + 3, { data: { line: at + 3 }, at: at }))
    await accept(store, aChange(next(job, { seq: 12 }), { events: more }))
    const all = await store.events(job.id, 0, 100)
    expect(all.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(all.slice(2)).toEqual(more)
    expect((await store.events(job.id, 4, 3)).map((event) => event.seq)).toEqual([5, 6, 7])
    expect(await store.events(job.id, 12, 3)).toEqual([])
    expect(await store.events(crypto.randomUUID(), 0, 3)).toEqual([])
  })
}
