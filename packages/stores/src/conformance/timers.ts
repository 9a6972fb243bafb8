/** Timers, and when the next thing is due. */
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  aTimer,
  type Current,
  dueTimers,
  here,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

const far = 4_000_000_000_000

export const timersSuite = (current: Current): void => {
  test('a timer is found when it is due, with the cause it brings, and not before', async () => {
    const { store } = current()
    const job = aJob()
    const due = aTimer(job, { cause: { type: 'cancel', by: 'parent', reason: null }, dueAt: 4_000 })
    await accept(store, aChange(job, { setTimers: [due, aTimer(job, { dueAt: far })] }))
    const { timers, lost } = await store.leaseTimers({ limit: 10, leaseMs: 60_000 })
    expect(timers).toEqual([due])
    expect(lost).toEqual([])
  })

  test('a timer that nobody settled comes again, but only after its lease', async () => {
    const { store } = current()
    const job = aJob()
    const timer = aTimer(job)
    await accept(store, aChange(job, { setTimers: [timer] }))
    expect(await dueTimers(store)).toEqual([timer.id])
    expect((await store.leaseTimers({ limit: 10, leaseMs: 60_000 })).timers).toHaveLength(1)
    expect(await dueTimers(store)).toEqual([])
    expect(await store.nextDue(here, [])).toBeGreaterThan(store.now() + 30_000)
  })

  test('a timer is settled by a commit or by dropping it', async () => {
    const { store } = current()
    const job = aJob()
    const [a, b, c] = [aTimer(job), aTimer(job), aTimer(job)]
    await accept(store, aChange(job, { setTimers: [a, b, c] }))
    await accept(store, aChange(next(job), { clearTimers: [a.id] }))
    await store.dropTimers([b.id, 'gone'])
    expect(await dueTimers(store)).toEqual([c.id])
  })

  test('a timer set again counts from its new instant', async () => {
    const { store } = current()
    const job = aJob()
    const timer = aTimer(job)
    await accept(store, aChange(job, { setTimers: [timer] }))
    const later = { ...timer, dueAt: far }
    await accept(store, aChange(next(job), { setTimers: [later] }))
    expect(await dueTimers(store)).toEqual([])
    await accept(store, aChange(next(next(job)), { clearTimers: [timer.id], setTimers: [{ ...timer, dueAt: 9 }] }))
    expect((await store.leaseTimers({ limit: 10, leaseMs: 0 })).timers).toEqual([{ ...timer, dueAt: 9 }])
  })

  test('due timers come at most so many at a time, the longest due first', async () => {
    const { store } = current()
    const job = aJob()
    const setTimers = Array.from({ length: 5 }, (_, at) => aTimer(job, { id: `t${at}`, dueAt: 100 - at }))
    await accept(store, aChange(job, { setTimers }))
    const ids = async () => (await store.leaseTimers({ limit: 2, leaseMs: 60_000 })).timers.map((timer) => timer.id)
    expect((await ids()).sort()).toEqual(['t3', 't4'])
    expect((await ids()).sort()).toEqual(['t1', 't2'])
    expect(await ids()).toEqual(['t0'])
  })

  test('two clients that look at once share the timers', async () => {
    const clients = [current().store, await current().second()] as const
    const job = aJob()
    await accept(clients[0], aChange(job, { setTimers: Array.from({ length: 40 }, () => aTimer(job)) }))
    const ids: string[] = []
    while (ids.length < 40) {
      const looks = [0, 1, 0, 1].map((at) => clients[at === 0 ? 0 : 1].leaseTimers({ limit: 7, leaseMs: 60_000 }))
      ids.push(...(await Promise.all(looks)).flatMap((look) => look.timers.map((timer) => timer.id)))
    }
    expect(new Set(ids).size).toBe(40)
  })

  test('a child brings its timers', async () => {
    const { store } = current()
    const child = aJob()
    const timer = aTimer(child)
    await accept(store, aChange(aJob(), { spawn: [{ job: child, events: [], timers: [timer] }] }))
    expect((await store.leaseTimers({ limit: 10, leaseMs: 0 })).timers).toEqual([timer])
  })

  test('what is due next: nothing when nothing is set', async () => {
    const { store } = current()
    await jobWith(store, [{}])
    expect(await store.nextDue(here, [])).toBeNull()
  })

  test('what is due next: a timer, a lease, a job, a task that waits for its next try; always the earliest', async () => {
    const { store } = current()
    const base = store.now() + 1_000_000_000
    const timed = aJob()
    await accept(store, aChange(timed, { setTimers: [aTimer(timed, { dueAt: base })] }))
    expect(await store.nextDue(here, [])).toBe(base)

    const waking = aJob({ wakeAt: base - 10 })
    await accept(store, aChange(waking))
    expect(await store.nextDue(here, [])).toBe(base - 10)

    const retried = await jobWith(store, [{ id: 'retried' }])
    await leaseOne(store, { leaseMs: 0 })
    await accept(store, aChange(next(retried), { requeue: [{ taskId: 'retried', attempt: 2, visibleAt: base - 20 }] }))
    expect(await store.nextDue(here, [])).toBe(base - 20)

    await jobWith(store, [{}])
    const [leased] = await lease(store, { leaseMs: 1_000 })
    expect(await store.nextDue(here, [])).toBe(leased?.expiresAt)

    const past = aJob({ wakeAt: 5 })
    await accept(store, aChange(past))
    expect(await store.nextDue(here, [])).toBe(5)
  })

  test('what is due next: a job that only others can run is not', async () => {
    const { store } = current()
    await accept(
      store,
      aChange(aJob({ blueprint: 'unknown-here', wakeAt: 5 })),
      aChange(aJob({ version: 2, wakeAt: 6 })),
    )
    expect(await store.nextDue(here, [])).toBeNull()
    expect(await store.nextDue([], [])).toBeNull()
    expect(await store.nextDue([...here, { name: 'unknown-here', version: 1 }], [])).toBe(5)
    expect(await store.nextDue([{ name: 'transcode', version: 2 }], [])).toBe(6)
  })

  test('what is due next: nothing of a job that ended', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}], { wakeAt: 5 })
    const second = next(job)
    await accept(store, aChange(second, { setTimers: [aTimer(job)] }))
    await leaseOne(store)
    await accept(store, aChange(next(second, { status: 'failed', wakeAt: null })))
    expect(await store.nextDue(here, [])).toBeNull()
  })
}
