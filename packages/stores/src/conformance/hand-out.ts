/** Which task a poll gets, and that nobody else gets it. */
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  aTask,
  type Current,
  fenceOf,
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

export const handOutSuite = (current: Current): void => {
  test('a task is handed out whole, with a lease', async () => {
    const { store } = current()
    const job = aJob()
    const task = aTask(job, {
      params: { size: 720 },
      priority: 2.5,
      timeoutMs: 90_000,
      concurrencyKey: 'k',
      concurrencyLimit: 3,
      fairKey: 'tenant',
      visibleAt: 5,
      pickupBy: 4_000_000_000_000,
      queue: 'video.render',
      trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    await accept(store, aChange(job, { enqueue: [task] }))
    const before = store.now()
    const leased = await leaseOne(store, { worker: 'w', leaseMs: 30_000 })
    expect(leased.task).toEqual(task)
    expect(leased.worker).toBe('w')
    expect(leased.token).not.toBe('')
    expect(leased.deadlineAt).not.toBeNull()
    // The end of the lease and the time-out count from one instant, and it is the Store's.
    expect((leased.deadlineAt ?? 0) - leased.expiresAt).toBe(60_000)
    expect(leased.expiresAt).toBeGreaterThanOrEqual(before + 30_000 - 1_000)
  })

  test('a lease never outlasts the time-out of the task', async () => {
    const { store } = current()
    await jobWith(store, [{ timeoutMs: 1_000 }, { timeoutMs: null }])
    const [short, open] = await lease(store, { max: 2, leaseMs: 60_000 })
    expect(short?.expiresAt).toBe(short?.deadlineAt)
    expect(open?.deadlineAt).toBeNull()
  })

  test('the best first: by priority, then by age, across queues and within one', async () => {
    const { store } = current()
    const job = await jobWith(store, [
      { id: 'old-low', skill: 'a' },
      { id: 'old-high', skill: 'b', priority: 5 },
      { id: 'new-low', skill: 'b' },
    ])
    await accept(
      store,
      aChange(next(job), {
        enqueue: [
          aTask(job, { id: 'new-high', skill: 'a', priority: 5 }),
          aTask(job, { id: 'newest-low', skill: 'a' }),
          aTask(job, { id: 'below-zero', skill: 'a', priority: -1 }),
          aTask(job, { id: 'other-skill', skill: 'c', priority: 100 }),
        ],
      }),
    )
    const order = ['old-high', 'new-high', 'old-low', 'new-low', 'newest-low', 'below-zero']
    const one = await leaseOne(store, { queues: ['a', 'b'] })
    expect(one.task.id).toBe('old-high')
    await store.release([fenceOf(one)])
    expect(idsOf(await lease(store, { queues: ['b', 'a'], max: 10 }))).toEqual(order)
  })

  test('many tasks in one poll come in their order, whatever their ids', async () => {
    const { store } = current()
    const job = aJob()
    const tasks = Array.from({ length: 50 }, (_, at) => aTask(job, { priority: (at * 7) % 5 }))
    await accept(store, aChange(job, { enqueue: tasks }))
    const expected = tasks
      .map((task, at) => ({ task, at }))
      .sort((a, b) => b.task.priority - a.task.priority || a.at - b.at)
      .map(({ task }) => task.id)
    expect(idsOf(await lease(store, { max: 30 }))).toEqual(expected.slice(0, 30))
    expect(idsOf(await lease(store, { max: 30 }))).toEqual(expected.slice(30))
  })

  test('a poll gets no more than it asks for, and nothing for a skill it has not', async () => {
    const { store } = current()
    await jobWith(store, [{}, {}, {}])
    expect(await lease(store, { queues: ['something.else'], max: 5 })).toEqual([])
    expect(await lease(store, { queues: [], max: 5 })).toEqual([])
    expect(await lease(store, { max: 2 })).toHaveLength(2)
    expect(await lease(store, { max: 2 })).toHaveLength(1)
    expect(await lease(store, { max: 2 })).toEqual([])
  })

  test('a poll that names a skill twice gets no task twice', async () => {
    const { store } = current()
    await jobWith(store, [{}, {}, {}])
    const got = idsOf(await lease(store, { queues: ['video.render', 'video.render'], max: 2 }))
    expect(got).toHaveLength(2)
    expect(new Set(got).size).toBe(2)
  })

  test('polls that travel together are served one after another', async () => {
    const { store } = current()
    await jobWith(store, [{ id: 't1' }, { id: 't2' }, { id: 't3' }, { id: 'x', skill: 'x' }])
    const poll = { queues: ['video.render'], leaseMs: 60_000 }
    const answers = await store.leaseTasks([
      { ...poll, worker: 'a', max: 1 },
      { ...poll, worker: 'b', max: 1, queues: ['nothing'] },
      { ...poll, worker: 'c', max: 5, queues: ['video.render', 'x'] },
      { ...poll, worker: 'd', max: 1 },
    ])
    expect(answers.map(idsOf)).toEqual([['t1'], [], ['t2', 't3', 'x'], []])
    expect(answers.flat().map((leased) => leased.worker)).toEqual(['a', 'c', 'c', 'c'])
    expect(new Set(answers.flat().map((leased) => leased.token)).size).toBe(4)
    expect(await store.leaseTasks([])).toEqual([])
  })

  test('twenty polls at once, over two clients: no task twice, none forgotten', async () => {
    const clients = [current().store, await current().second()]
    const total = 200
    await jobWith(
      current().store,
      Array.from({ length: total }, (_, at) => ({ skill: at % 2 ? 'a' : 'b', priority: at % 3 })),
    )
    const taken: string[] = []
    // A poll that meets another one may be shown an empty queue, and asks again.
    const poll = async (at: number): Promise<void> => {
      const store = clients[at % 2]
      while (store && taken.length < total)
        taken.push(...idsOf(await lease(store, { worker: `w${at}`, queues: ['a', 'b'], max: 1 + (at % 4) })))
    }
    await Promise.all(Array.from({ length: 20 }, (_, at) => poll(at)))
    expect(taken).toHaveLength(total)
    expect(new Set(taken).size).toBe(total)
  })

  test('a task handed out again carries its try, and not before its instant', async () => {
    const { store } = current()
    const job = await jobWith(store, [{}])
    const { task } = await leaseOne(store)
    const later = next(job)
    const visibleAt = store.now() + 3_600_000
    await accept(store, aChange(later, { requeue: [{ taskId: task.id, attempt: 2, visibleAt }] }))
    expect(await lease(store)).toEqual([])
    await accept(store, aChange(next(later), { requeue: [{ taskId: task.id, attempt: 3, visibleAt: 7 }] }))
    expect((await leaseOne(store)).task).toEqual({ ...task, attempt: 3, visibleAt: 7 })
  })

  test('a task that waits for its next try keeps nobody from the tasks behind it', async () => {
    const { store } = current()
    const job = await jobWith(store, [{ priority: 9 }, { id: 'behind' }])
    const first = await leaseOne(store)
    const visibleAt = store.now() + 3_600_000
    await accept(store, aChange(next(job), { requeue: [{ taskId: first.task.id, attempt: 2, visibleAt }] }))
    expect(idsOf(await lease(store, { max: 5 }))).toEqual(['behind'])
  })
}
