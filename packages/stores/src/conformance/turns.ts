/** Fair turns: within one queue and priority, nobody's many tasks delay another's few. */
import type { Task } from '@tutti/engine'
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

export const turnsSuite = (current: Current): void => {
  const many = (fairKey: string, count: number, patch: Partial<Task> = {}): Partial<Task>[] =>
    Array.from({ length: count }, (_, at) => ({ id: `${fairKey}${at}`, fairKey, ...patch }))
  const order = async (max: number): Promise<string[]> => idsOf(await lease(current().store, { max }))

  test('who comes later with few tasks is served in turn with one who has many', async () => {
    const { store } = current()
    await jobWith(store, many('a', 50))
    await jobWith(store, many('b', 3))
    expect(await order(8)).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'a3', 'a4'])
  })

  test('the tasks of many changes of one batch take turns as if they came one after another', async () => {
    const { store } = current()
    const jobs = Array.from({ length: 6 }, () => aJob())
    await accept(
      store,
      ...jobs.map((job, at) => {
        const fairKey = at < 4 ? 'a' : 'b'
        return aChange(job, { enqueue: [1, 2].map((n) => aTask(job, { id: `${fairKey}${at}.${n}`, fairKey })) })
      }),
    )
    expect(await order(6)).toEqual(['a0.1', 'b4.1', 'a0.2', 'b4.2', 'a1.1', 'b5.1'])
  })

  test('one who brings his many tasks one by one gets no further with them', async () => {
    const { store } = current()
    for (let at = 0; at < 6; at += 1) await jobWith(store, [{ id: `a${at}`, fairKey: 'a' }])
    for (let at = 0; at < 2; at += 1) await jobWith(store, [{ id: `b${at}`, fairKey: 'b' }])
    expect(await order(5)).toEqual(['a0', 'b0', 'a1', 'b1', 'a2'])
  })

  test('who comes when others have been served for long begins with the first in line, not before it', async () => {
    const { store } = current()
    await jobWith(store, many('a', 40))
    await order(30)
    await jobWith(store, many('b', 20))
    const served = await order(10)
    expect(served.filter((id) => id.startsWith('a'))).toHaveLength(5)
    expect(served.filter((id) => id.startsWith('b'))).toHaveLength(5)
  })

  test('one who always has a single task waiting is served every other time', async () => {
    const { store } = current()
    await jobWith(store, many('a', 20))
    const served: string[] = []
    for (let round = 0; round < 5; round += 1) {
      await jobWith(store, [{ id: `b${round}`, fairKey: 'b' }])
      served.push(...(await order(2)))
    }
    expect(served.filter((id) => id.startsWith('b'))).toHaveLength(5)
  })

  test('turns are of one queue and priority: a higher priority still goes first', async () => {
    const { store } = current()
    await jobWith(store, many('a', 5))
    await jobWith(store, many('b', 1))
    await jobWith(store, many('high', 3, { priority: 5 }))
    await jobWith(store, many('other', 5, { queue: 'another' }))
    expect(await order(20)).toEqual(['high0', 'high1', 'high2', 'a0', 'b0', 'a1', 'a2', 'a3', 'a4'])
  })

  test('between queues the oldest of those whose turn it is comes first', async () => {
    const { store } = current()
    await jobWith(store, many('a', 3, { queue: 'x' }))
    await jobWith(store, many('b', 2, { queue: 'y' }))
    await jobWith(store, many('c', 1, { queue: 'x' }))
    expect(idsOf(await lease(store, { queues: ['y', 'x'], max: 9 }))).toEqual(['a0', 'b0', 'b1', 'c0', 'a1', 'a2'])
  })

  test('a task given back, or tried again, keeps its turn', async () => {
    const { store } = current()
    await jobWith(store, many('a', 4))
    const job = await jobWith(store, many('b', 2))
    const [a0, b0] = await lease(store, { max: 2 })
    if (!a0 || !b0) throw new Error('six tasks were enqueued')
    await store.release([fenceOf(a0)])
    expect((await leaseOne(store)).task.id).toBe('a0')
    await accept(store, aChange(next(job), { requeue: [{ taskId: 'b0', attempt: 2, visibleAt: 0 }] }))
    expect(await order(5)).toEqual(['b0', 'a1', 'b1', 'a2', 'a3'])
  })

  test('tasks that are held back for their key take no turns before they are opened', async () => {
    const { store } = current()
    await jobWith(store, many('a', 30, { concurrencyKey: 'k' }))
    await jobWith(store, [{ id: 'free', fairKey: 'a' }])
    await jobWith(store, many('b', 3))
    expect((await order(5)).indexOf('free')).toBeLessThan(3)
  })
}
