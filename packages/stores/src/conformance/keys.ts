/** Concurrency keys: so many tasks of a key at a time, in the order they were made, and never a standstill. */
import type { Job, Store } from '@tutti/engine'
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
  idsOf,
  jobWith,
  lease,
  leaseOne,
  next,
} from './subject.ts'

export const keysSuite = (current: Current): void => {
  const keyed = (store: Store, id: string, key = 'k', priority = 0): Promise<Job> =>
    jobWith(store, [{ id, concurrencyKey: key, priority }])
  const available = async (max = 10): Promise<string[]> => {
    const leases = await lease(current().store, { max })
    await current().store.release(leases.map(fenceOf))
    return idsOf(leases)
  }

  test('one is open at a time, in the order they were made, whatever their priority', async () => {
    const { store } = current()
    const jobs = [await keyed(store, 'a'), await keyed(store, 'b'), await keyed(store, 'c', 'k', 100)]
    const done: string[] = []
    for (const job of jobs) {
      const [leased, ...others] = await lease(store, { max: 10 })
      if (!leased) throw new Error('one task of the key must be open')
      expect(others).toEqual([])
      expect(await lease(store)).toEqual([])
      done.push(leased.task.id)
      await accept(store, aChange(next(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
    }
    expect(done).toEqual(['a', 'b', 'c'])
    await keyed(store, 'd')
    expect(await available()).toEqual(['d'])
  })

  test('keys do not wait for each other, nor tasks without a key for any', async () => {
    const { store } = current()
    await keyed(store, 'a1', 'a')
    await keyed(store, 'a2', 'a')
    await keyed(store, 'b1', 'b')
    await jobWith(store, [{ id: 'free' }])
    expect(await available()).toEqual(['a1', 'b1', 'free'])
  })

  test('tasks of one key made in one change, or in one batch, are one at a time, too', async () => {
    const { store } = current()
    const [one, other] = [aJob(), aJob()]
    const task = (job: Job, id: string) => aTask(job, { id, concurrencyKey: 'k' })
    await accept(
      store,
      aChange(one, { enqueue: [task(one, 'a'), task(one, 'b')] }),
      aChange(other, { enqueue: [task(other, 'c')] }),
    )
    expect(await available()).toEqual(['a'])
    await accept(store, aChange(next(one), { close: ['a'], enqueue: [task(one, 'd')] }))
    expect(await available()).toEqual(['b'])
    await accept(store, aChange(next(next(one)), { close: ['b'] }))
    expect(await available()).toEqual(['c'])
    await accept(store, aChange(next(other), { close: ['c'] }))
    expect(await available()).toEqual(['d'])
  })

  test('a job that ends lets the next of its key in', async () => {
    const { store } = current()
    const job = await keyed(store, 'a')
    await keyed(store, 'b')
    await leaseOne(store)
    await accept(store, aChange(ended(job)))
    expect(await available()).toEqual(['b'])
  })

  test('closing one that is held back opens no second one', async () => {
    const { store } = current()
    await keyed(store, 'a')
    const held = await keyed(store, 'b')
    await keyed(store, 'c')
    await accept(store, aChange(ended(held)))
    expect(await available()).toEqual(['a'])
    const leased = await leaseOne(store)
    const [job] = await store.job([leased.task.jobId])
    if (!job) throw new Error('the job is there')
    await accept(store, aChange(next(job), { close: ['a'] }))
    expect(await available()).toEqual(['c'])
  })

  test('a task that is tried again, or given back, keeps its place before the others', async () => {
    const { store } = current()
    const job = await keyed(store, 'a')
    await keyed(store, 'b')
    const leased = await leaseOne(store)
    const visibleAt = store.now() + 3_600_000
    const waits = next(job)
    await accept(store, aChange(waits, { requeue: [{ taskId: 'a', attempt: 2, visibleAt }] }))
    expect(await available()).toEqual([])
    await accept(store, aChange(next(waits), { requeue: [{ taskId: 'a', attempt: 3, visibleAt: 0 }] }))
    expect(await available()).toEqual(['a'])
    expect(await available()).toEqual(['a'])
    expect(leased.task.concurrencyKey).toBe('k')
  })

  test('a refused change neither takes nor frees a key', async () => {
    const { store } = current()
    const job = await keyed(store, 'a')
    await keyed(store, 'b')
    const stale = { ...next(next(job)) }
    const refused = aChange(stale, { close: ['a'], enqueue: [aTask(job, { concurrencyKey: 'other' })] })
    expect(await commitOne(store, refused)).toEqual({ accepted: false, reason: 'stale' })
    expect(await available()).toEqual(['a'])
    await keyed(store, 'o', 'other')
    expect(await available()).toEqual(['a', 'o'])
  })

  test('the next in line is cancelled while the open one ends: the one behind it gets in', async () => {
    const clients = [current().store, await current().second()] as const
    for (let round = 0; round < 60; round += 1) {
      const key = `k${round}`
      const open = await keyed(clients[0], `${key}-a`, key)
      const inLine = await keyed(clients[0], `${key}-b`, key)
      const behind = await keyed(clients[0], `${key}-c`, key)
      await Promise.all([
        clients[0].commit([aChange(ended(open))]),
        clients[1].commit([aChange(next(inLine, { status: 'cancelled' }))]),
      ])
      expect(await available()).toEqual([`${key}-c`])
      await accept(clients[0], aChange(ended(behind)))
    }
  })

  test('a thousand tasks of one key, made and finished by two clients at once, never stand still', async () => {
    const clients = [current().store, await current().second()] as const
    const total = 1_000
    const order: string[] = []
    const make = async (client: Store): Promise<void> => {
      for (let made = 0; made < total / 2; made += 5)
        await Promise.all(Array.from({ length: 5 }, () => jobWith(client, [{ concurrencyKey: 'k' }])))
    }
    let inHand = 0
    const work = async (client: Store, worker: string): Promise<void> => {
      while (order.length < total) {
        const [leased] = await lease(client, { worker })
        if (!leased) continue
        inHand += 1
        expect(inHand).toBe(1)
        const [job] = await client.job([leased.task.jobId])
        if (!job) throw new Error('the job of a task is there')
        order.push(leased.task.id)
        inHand -= 1
        await accept(client, aChange(ended(job), { fences: [fenceOf(leased)], close: [leased.task.id] }))
      }
    }
    await Promise.all([make(clients[0]), make(clients[1]), work(clients[0], 'w1'), work(clients[1], 'w2')])
    expect(new Set(order).size).toBe(total)
    expect(await lease(clients[0])).toEqual([])
  })

  test('as many are open at a time as the limit says, and as many follow as fit', async () => {
    const { store } = current()
    const job = await jobWith(
      store,
      ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id, concurrencyKey: 'k', concurrencyLimit: 3 })),
    )
    expect(await available()).toEqual(['a', 'b', 'c'])
    const leases = await lease(store, { max: 2 })
    expect(idsOf(leases)).toEqual(['a', 'b'])
    await accept(store, aChange(next(job), { close: ['a', 'b'] }))
    expect(await available()).toEqual(['c', 'd', 'e'])
  })

  test('a job that ends lets in as many as it had open', async () => {
    const { store } = current()
    const limit = { concurrencyKey: 'k', concurrencyLimit: 2 }
    const job = await jobWith(store, [
      { id: 'a', ...limit },
      { id: 'b', ...limit },
    ])
    await jobWith(
      store,
      ['c', 'd', 'e'].map((id) => ({ id, ...limit })),
    )
    expect(await available()).toEqual(['a', 'b'])
    await accept(store, aChange(ended(job)))
    expect(await available()).toEqual(['c', 'd'])
  })

  test('a limit that is raised or lowered counts from the first task that is held back', async () => {
    const { store } = current()
    const one = { concurrencyKey: 'k', concurrencyLimit: 1 }
    const three = { concurrencyKey: 'k', concurrencyLimit: 3 }
    const job = await jobWith(store, [
      { id: 'a', ...one },
      { id: 'b', ...one },
      { id: 'c', ...three },
      { id: 'd', ...three },
    ])
    // The first in line allows one: nobody behind it gets past it, whatever he allows.
    expect(await available()).toEqual(['a'])
    await accept(store, aChange(next(job), { close: ['a'] }))
    expect(await available()).toEqual(['b', 'c', 'd'])
    const lowered = await jobWith(store, [{ id: 'e', ...one }])
    await accept(store, aChange(next(next(job)), { close: ['b', 'c'] }))
    expect(await available()).toEqual(['d'])
    await accept(store, aChange(next(next(next(job))), { close: ['d'] }))
    expect(await available()).toEqual(['e'])
    await accept(store, aChange(ended(lowered)))
  })

  test('hundreds of tasks of one key, made and finished by two clients at once: never more than its limit, never a standstill', async () => {
    const clients = [current().store, await current().second()] as const
    const total = 300
    const limit = { concurrencyKey: 'k', concurrencyLimit: 4 }
    const make = async (client: Store): Promise<void> => {
      for (let made = 0; made < total / 2; made += 5)
        await Promise.all(Array.from({ length: 5 }, () => jobWith(client, [limit])))
    }
    let [inHand, most, done] = [0, 0, 0]
    const work = async (client: Store, worker: string): Promise<void> => {
      while (done < total) {
        const leases = await lease(client, { worker, max: 2 })
        inHand += leases.length
        most = Math.max(most, inHand)
        const jobs = await client.job(leases.map(({ task }) => task.jobId))
        inHand -= leases.length
        done += leases.length
        await accept(client, ...jobs.flatMap((job) => (job ? [aChange(ended(job))] : [])))
      }
    }
    const working = [0, 1, 0, 1].map((at) => work(clients[at === 0 ? 0 : 1], `w${at}`))
    await Promise.all([make(clients[0]), make(clients[1]), ...working])
    expect(done).toBe(total)
    expect(most).toBeLessThanOrEqual(4)
    expect(await lease(clients[0])).toEqual([])
  })
}
