/** Tasks that no worker takes in time. */
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  aTask,
  type Current,
  commitOne,
  ended,
  fenceOf,
  here,
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

const past = 1_000
const far = 4_000_000_000_000

export const pickUpSuite = (current: Current): void => {
  const lost = async (leaseMs = 60_000, limit = 100) => (await current().store.leaseTimers({ limit, leaseMs })).lost

  test('a task that nobody took in time is lost, leased to nobody', async () => {
    const { store } = current()
    const job = await jobWith(store, [
      { id: 'late', pickupBy: past },
      { id: 'waits', pickupBy: far },
      { id: 'patient' },
    ])
    const [found, ...others] = await lost(0)
    expect(others).toEqual([])
    expect(found).toEqual({
      jobId: job.id,
      taskId: 'late',
      attempt: 1,
      token: expect.stringMatching(/./),
      worker: '',
      reason: 'not_picked_up',
    })
    // Nobody gets it before the job has judged, and until then it comes again, with the same token.
    expect(idsOf(await lease(store, { max: 9 }))).toEqual(['waits', 'patient'])
    expect(await lost(60_000)).toEqual([found])
    expect(await lost()).toEqual([])
  })

  test('the verdict is fenced like any other', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ id: 'late', pickupBy: past }])
    const [found] = await lost()
    const fence = (token: string): [string, string] => ['late', token]
    const wrong = aChange(next(job), { fences: [fence('another')], close: ['late'] })
    expect(await commitOne(store, wrong)).toEqual({ accepted: false, reason: 'fenced', tasks: ['late'] })
    const right = aChange(next(job), { fences: [fence(found?.token ?? '')], close: ['late'] })
    expect(await commitOne(store, right)).toEqual({ accepted: true })
    expect(await commitOne(store, { ...right, job: next(next(job)) })).toMatchObject({ reason: 'fenced' })
    expect(await store.nextDue(here, [])).toBeNull()
  })

  test('handed out again it may be taken, and has all the time it is given', async () => {
    const { store } = current()
    const job = await jobWith(store, [
      { id: 'a', pickupBy: past },
      { id: 'b', pickupBy: past },
    ])
    expect(await lost()).toHaveLength(2)
    const again = { attempt: 2, visibleAt: 0 }
    const requeue = [
      { taskId: 'a', ...again },
      { taskId: 'b', ...again, pickupBy: far },
    ]
    await accept(store, aChange(next(job), { requeue }))
    expect(await lost()).toEqual([])
    expect(await store.nextDue(here, [])).toBe(far)
    const leases = await lease(store, { max: 5 })
    expect(leases.map(({ task }) => [task.id, task.attempt, task.pickupBy])).toEqual([
      ['a', 2, null],
      ['b', 2, far],
    ])
  })

  test('a task in a worker’s hands has been picked up; given back untried it has not', async () => {
    const { store } = current()
    const pickupBy = store.now() + 400
    await jobWith(store, [
      { id: 'taken', pickupBy },
      { id: 'given-back', pickupBy },
    ])
    const [taken, back] = await lease(store, { max: 2 })
    expect(await store.nextDue(here, [])).toBe(taken?.expiresAt)
    if (back) await store.release([fenceOf(back)])
    expect(await store.nextDue(here, [])).toBe(pickupBy)
    await expect.poll(() => lost(), { timeout: 10_000 }).toMatchObject([{ taskId: 'given-back' }])
    expect(await store.held('worker-1', 'taken')).toBe(taken?.token)
  })

  test('also a task that is held back, and it frees nobody’s place when it gets in line again', async () => {
    const { store } = current()
    const key = { concurrencyKey: 'k' }
    await jobWith(store, [{ id: 'open', ...key }])
    const job = await jobWith(store, [{ id: 'held', pickupBy: past, ...key }])
    const behind = await jobWith(store, [{ id: 'behind', ...key }])
    const open = await leaseOne(store)
    expect((await lost()).map(({ taskId, reason }) => [taskId, reason])).toEqual([['held', 'not_picked_up']])
    await accept(store, aChange(next(job), { requeue: [{ taskId: 'held', attempt: 2, visibleAt: 0 }] }))
    expect(await lease(store, { max: 9 })).toEqual([])
    const [holder] = await store.job([open.task.jobId])
    if (!holder) throw new Error('the job is there')
    await accept(store, aChange(ended(holder)))
    expect(idsOf(await lease(store, { max: 9 }))).toEqual(['held'])
    await accept(store, aChange(ended(next(job))))
    expect(idsOf(await lease(store, { max: 9 }))).toEqual(['behind'])
    await accept(store, aChange(ended(behind)))
  })

  test('an open task of a key that is lost lets the next in when it is judged', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ id: 'late', concurrencyKey: 'k', pickupBy: past }])
    await jobWith(store, [{ id: 'behind', concurrencyKey: 'k' }])
    expect(await lost()).toHaveLength(1)
    await accept(store, aChange(ended(job)))
    expect(idsOf(await lease(store, { max: 9 }))).toEqual(['behind'])
  })

  test('what is due next: the instant by which a task must have been picked up, held back or not', async () => {
    const { store } = current()
    const job = aJob()
    const tasks = [far, far - 1].map((pickupBy) => aTask(job, { concurrencyKey: 'k', pickupBy }))
    await accept(store, aChange(job, { enqueue: tasks }))
    expect(await store.nextDue(here, [])).toBe(far - 1)
  })

  test('two clients that look at once share the tasks that were not picked up', async () => {
    const clients = [current().store, await current().second()] as const
    await jobWith(
      clients[0],
      Array.from({ length: 40 }, () => ({ pickupBy: past })),
    )
    const ids: string[] = []
    while (ids.length < 40) {
      const looks = [0, 1, 0, 1].map((at) => clients[at === 0 ? 0 : 1].leaseTimers({ limit: 7, leaseMs: 60_000 }))
      const found = (await Promise.all(looks)).map((look) => look.lost.map(({ taskId }) => taskId))
      for (const each of found) expect(each.length).toBeLessThanOrEqual(7)
      ids.push(...found.flat())
    }
    expect(new Set(ids).size).toBe(40)
  })
}
