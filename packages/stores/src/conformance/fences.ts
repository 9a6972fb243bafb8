/** Fences: a late holder's change is refused, whole. */
import { expect, test } from 'vitest'
import { aChange, accept, type Current, commitOne, fenceOf, jobWith, lease, leaseOne, next } from './subject.ts'

export const fencesSuite = (current: Current): void => {
  test('the holder of the lease is heard', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store)
    await accept(store, aChange(next(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
    expect(await lease(store)).toEqual([])
  })

  test('a result that arrives after the lease ran out, but before anybody noticed, still counts', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store, { leaseMs: 0 })
    await accept(store, aChange(next(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
  })

  test('a token of an earlier hand-out is refused', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const first = await leaseOne(store, { worker: 'slow' })
    const again = next(job)
    await accept(store, aChange(again, { requeue: [{ taskId: first.task.id, attempt: 2, visibleAt: 0 }] }))
    const refused = { accepted: false, reason: 'fenced', tasks: [first.task.id] }
    const late = aChange(next(again), { fences: [fenceOf(first)], close: [first.task.id] })
    expect(await commitOne(store, late)).toEqual(refused)
    const second = await leaseOne(store, { worker: 'slow' })
    expect(second.token).not.toBe(first.token)
    expect(await commitOne(store, late)).toEqual(refused)
    expect(await store.held('slow', first.task.id)).toBe(second.token)
  })

  test('a task given back, closed or never seen fences like a lost one', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}, {}])
    const [released, closed] = await lease(store, { max: 2 })
    if (!released || !closed) throw new Error('two tasks were enqueued')
    await store.release([fenceOf(released)])
    const after = next(job)
    await accept(store, aChange(after, { fences: [fenceOf(closed)], close: [closed.task.id] }))
    for (const fence of [fenceOf(released), fenceOf(closed), ['never', 'seen'] as [string, string]])
      expect(await commitOne(store, aChange(next(after), { fences: [fence] }))).toEqual({
        accepted: false,
        reason: 'fenced',
        tasks: [fence[0]],
      })
  })

  test('of several fences all lost ones are named, and only those', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}, {}, {}])
    const leases = await lease(store, { max: 3 })
    const [a, b, c] = leases
    if (!a || !b || !c) throw new Error('three tasks were enqueued')
    await store.release([fenceOf(a), fenceOf(c)])
    const outcome = await commitOne(store, aChange(next(job), { fences: leases.map(fenceOf), close: [b.task.id] }))
    if (outcome.accepted || outcome.reason !== 'fenced') throw new Error('two of the leases were given back')
    expect([...outcome.tasks].sort()).toEqual([a.task.id, c.task.id].sort())
    expect(await store.held('worker-1', b.task.id)).toBe(b.token)
  })

  test('a stale change is told stale even when its fences are good', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store)
    await accept(store, aChange(next(job)))
    const late = aChange(next(job), { fences: [fenceOf(leased)], close: [leased.task.id] })
    expect(await commitOne(store, late)).toEqual({ accepted: false, reason: 'stale' })
    expect(await store.held('worker-1', leased.task.id)).toBe(leased.token)
  })
}
