/** Leases of tasks: prolonged, given back, ended, lost. */
import { expect, test } from 'vitest'
import { aChange, accept, type Current, fenceOf, here, idsOf, jobWith, lease, leaseOne, next } from './subject.ts'

export const leasesSuite = (current: Current): void => {
  const lost = async (leaseMs = 0, limit = 100) => (await current().store.leaseTimers({ limit, leaseMs })).lost

  test('a task given back is as if it had never been handed out', async () => {
    const { store } = current()
    await jobWith(store, [{ id: 'first' }, { id: 'second' }, { id: 'third' }])
    const [first, second] = await lease(store, { max: 2 })
    if (!first || !second) throw new Error('three tasks were enqueued')
    await store.release([fenceOf(first)])
    expect(await store.held('worker-1', 'first')).toBeUndefined()
    expect(await store.renew({ worker: 'worker-1', leaseMs: 1_000 })).toEqual(['second'])
    const again = await lease(store, { worker: 'worker-2', max: 5 })
    expect(idsOf(again)).toEqual(['first', 'third'])
    expect(again[0]?.task).toEqual(first.task)
    expect(again[0]?.token).not.toBe(first.token)
  })

  test('only the holder of the token can give a task back', async () => {
    const { store } = current()
    await jobWith(store, [{}])
    const old = await leaseOne(store)
    await store.release([fenceOf(old)])
    const now = await leaseOne(store)
    await store.release([fenceOf(old), ['never', 'seen']])
    expect(await store.held('worker-1', now.task.id)).toBe(now.token)
    expect(await lease(store)).toEqual([])
  })

  test('a worker holds what it was given, and nobody else does', async () => {
    const { store } = current()
    await jobWith(store, [{}])
    const { task, token } = await leaseOne(store, { worker: 'mine' })
    expect(await store.held('mine', task.id)).toBe(token)
    expect(await store.held('yours', task.id)).toBeUndefined()
    expect(await store.held('mine', 'never-seen')).toBeUndefined()
  })

  test('renewing prolongs the worker’s own, named or all, and says which', async () => {
    const { store } = current()
    await jobWith(store, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
    await lease(store, { worker: 'mine', max: 2, leaseMs: 0 })
    await lease(store, { worker: 'yours', leaseMs: 0 })
    expect(await store.renew({ worker: 'mine', taskIds: ['a', 'c', 'gone'], leaseMs: 60_000 })).toEqual(['a'])
    expect((await lost()).map((each) => each.taskId).sort()).toEqual(['b', 'c'])
    expect((await store.renew({ worker: 'mine', leaseMs: 60_000 })).sort()).toEqual(['a', 'b'])
    expect((await lost()).map((each) => each.taskId)).toEqual(['c'])
    expect(await store.renew({ worker: 'mine', taskIds: [], leaseMs: 60_000 })).toEqual([])
    expect(await store.renew({ worker: 'nobody', leaseMs: 60_000 })).toEqual([])
  })

  test('renewing goes never past the time-out, and never backwards', async () => {
    const { store } = current()
    await jobWith(store, [{ timeoutMs: 600_000 }])
    const leased = await leaseOne(store, { leaseMs: 60_000 })
    await store.renew({ worker: 'worker-1', leaseMs: 1_000 })
    expect(await store.nextDue(here, [])).toBe(leased.expiresAt)
    await store.renew({ worker: 'worker-1', leaseMs: 3_600_000 })
    expect(await store.nextDue(here, [])).toBe(leased.deadlineAt)
  })

  test('a lease that ran out is told of with its token, and again only after a while', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const leased = await leaseOne(store, { leaseMs: 0 })
    const expected = {
      jobId: job.id,
      taskId: leased.task.id,
      attempt: 1,
      token: leased.token,
      worker: 'worker-1',
      reason: 'lease_expired',
    }
    expect(await lost(0)).toEqual([expected])
    expect(await lost(60_000)).toEqual([expected])
    expect(await lost(0)).toEqual([])
    // Nobody else gets it before the job has judged the loss.
    expect(await lease(store)).toEqual([])
    const fences = [fenceOf(leased)]
    await accept(store, aChange(next(job), { fences, requeue: [{ taskId: leased.task.id, attempt: 2, visibleAt: 0 }] }))
    expect((await leaseOne(store)).task.attempt).toBe(2)
  })

  test('a try that took longer than its time-out is told of as that', async () => {
    const { store } = current()
    await jobWith(store, [
      { id: 'slow', timeoutMs: 0 },
      { id: 'dead', timeoutMs: 60_000 },
      { id: 'fine', timeoutMs: 60_000 },
    ])
    await lease(store, { worker: 'w1', max: 2, leaseMs: 0 })
    await lease(store, { worker: 'w2', leaseMs: 60_000 })
    const reasons = new Map((await lost()).map((each) => [each.taskId, each.reason]))
    expect(reasons).toEqual(
      new Map([
        ['slow', 'timed_out'],
        ['dead', 'lease_expired'],
      ]),
    )
  })

  test('ending a worker’s leases ends all of its own and none of another’s', async () => {
    const { store } = current()
    await jobWith(store, [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }])
    await lease(store, { worker: 'former', max: 2 })
    await lease(store, { worker: 'other', max: 1 })
    await store.expireLeases('former')
    await store.expireLeases('nobody')
    const ended = await lost()
    expect(ended.map((each) => [each.taskId, each.reason]).sort()).toEqual([
      ['a', 'lease_expired'],
      ['b', 'lease_expired'],
    ])
    expect(idsOf(await lease(store, { max: 5 }))).toEqual(['d'])
  })

  test('lost leases come at most so many at a time, and two clients share them', async () => {
    const clients = [current().store, await current().second()]
    const { store } = current()
    await jobWith(
      store,
      Array.from({ length: 9 }, () => ({})),
    )
    await lease(store, { max: 9, leaseMs: 0 })
    expect(await lost(60_000, 2)).toHaveLength(2)
    const shares = await Promise.all([0, 1, 0, 1].map((at) => clients[at]?.leaseTimers({ limit: 3, leaseMs: 60_000 })))
    const ids = shares.flatMap((share) => share?.lost.map((each) => each.taskId) ?? [])
    expect(new Set(ids).size).toBe(ids.length)
    while (ids.length < 7) ids.push(...(await lost(60_000)).map((each) => each.taskId))
    expect(new Set(ids).size).toBe(7)
  })
}
