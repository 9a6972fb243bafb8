/** A Store that fails in the middle: sending again is harmless. */
import { isTerminal, TuttiError } from '@tutti/contracts'
import { expect, test } from 'vitest'
import type { Change, Store } from '../src/index.ts'
import { answer, counted, create, createFleet, failure, logOf, outcomeOf, single, take } from './fleet.ts'

/** Fails as a connection does that breaks before the call arrived, or before its answer came back. */
const breaking = (store: Store, breaks: (changes: Change[]) => 'before' | 'after' | null): Store => ({
  ...store,
  commit: async (changes) => {
    const how = breaks(changes)
    if (how === 'before') throw new Error('the connection broke')
    const outcomes = await store.commit(changes)
    if (how === 'after') throw new Error('the connection broke')
    return outcomes
  },
})

test.each(['before', 'after'] as const)(
  'the connection breaks %s the result was stored: sending it again is harmless',
  async (how) => {
    const fleet = createFleet([single({ attempts: 3 })])
    let broken = false
    const engine = fleet.engine({ store: breaking(fleet.store, () => (broken ? how : null)) })
    const { id } = await create(engine, 'single')
    for (const patch of [failure('TRANSIENT_ERROR'), { data: { pages: 3 } }]) {
      const [leased] = await fleet.time.during(engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 600_000 }))
      if (!leased) throw new Error('the task is there')
      broken = true
      await expect(engine.results([outcomeOf(leased, patch)])).rejects.toThrow('the connection broke')
      broken = false
      const again = await answer(engine, leased, patch)
      expect(again.status).toBe(how === 'before' ? 'accepted' : 'ignored')
    }
    const job = await engine.job(id, null)
    expect(job).toMatchObject({ status: 'finished', output: { pages: 3 } })
    expect(counted(await logOf(engine, job))).toMatchObject({ task_failed: 1, task_retried: 1, task_finished: 1 })
  },
)

test.each(['before', 'after'] as const)(
  'the connection breaks %s the job was created: creating it again makes one',
  async (how) => {
    const fleet = createFleet([single()])
    let broken = true
    const engine = fleet.engine({ store: breaking(fleet.store, () => (broken ? how : null)) })
    const id = crypto.randomUUID()
    await expect(create(engine, 'single', { id })).rejects.toThrow('the connection broke')
    broken = false
    expect((await create(engine, 'single', { id })).id).toBe(id)
    expect(await take(engine, { max: 5 })).toHaveLength(1)
  },
)

test('the connection breaks while a timer is delivered: it comes again, and takes effect once', async () => {
  const fleet = createFleet([single()])
  let left = 0
  const engine = fleet.engine({
    store: breaking(fleet.store, (changes) => (changes[0]?.job.status === 'failed' && left-- > 0 ? 'after' : null)),
  })
  const { id } = await create(engine, 'single', { deadlineMs: 1_000 })
  left = 1
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  await fleet.time.pass(600_000)
  expect(fleet.errors).toHaveLength(1)
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ job_failed: 1 })
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('the Store is away for a while: the clock goes on looking, and all is done when it is back', async () => {
  const fleet = createFleet([single()])
  let away = false
  const gone =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (away) throw new Error('the Store can not be reached')
      return call(...args)
    }
  const { store } = fleet
  const engine = fleet.engine({
    store: {
      ...store,
      leaseTimers: gone(store.leaseTimers),
      leaseJobs: gone(store.leaseJobs),
      nextDue: gone(store.nextDue),
      leaseTasks: gone(store.leaseTasks),
    },
  })
  const { id } = await create(engine, 'single', { deadlineMs: 10_000 })
  away = true
  await fleet.time.pass(60_000)
  expect(fleet.errors.length).toBeGreaterThan(3)
  expect((await engine.job(id, null)).status).toBe('waiting_for_worker')
  away = false
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  expect((await engine.job(id, null)).error?.code).toBe('DEADLINE')
})

test('the Store is away while the end of a lease is settled: the task is handed out again as soon as it is back', async () => {
  const fleet = createFleet([single()])
  let backAt = Number.POSITIVE_INFINITY
  const { store } = fleet
  const engine = fleet.engine({
    store: {
      ...store,
      commit: async (changes) => {
        if (backAt > store.now() && changes.some(({ requeue }) => requeue.length > 0)) {
          if (backAt === Number.POSITIVE_INFINITY) backAt = store.now() + 2_000
          throw new TuttiError('STORE_UNAVAILABLE', 'away')
        }
        return store.commit(changes)
      },
    },
  })
  const { id } = await create(engine, 'single')
  await take(engine, { leaseMs: 5_000 })
  await fleet.time.until(async () => (await logOf(engine, await engine.job(id, null))).includes('task_retried'))
  // Not when the lease of who could not settle it has passed, ten seconds later.
  expect(fleet.time.now() - backAt).toBeLessThanOrEqual(500)
  await fleet.time.pass(600_000)
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ task_lost: 1, task_retried: 1 })
})

test('what fails for another reason than a Store that is away is not tried before its lease has passed', async () => {
  const fleet = createFleet([single()])
  const { store } = fleet
  const at: number[] = []
  const engine = fleet.engine({
    store: {
      ...store,
      commit: async (changes) => {
        if (changes.every(({ requeue }) => requeue.length === 0)) return store.commit(changes)
        at.push(store.now())
        throw new Error('a fault of ours')
      },
    },
  })
  await create(engine, 'single')
  await take(engine, { leaseMs: 5_000 })
  await fleet.time.until(() => at.length >= 3)
  for (const [index, instant] of at.entries())
    if (index > 0) expect(instant - (at[index - 1] ?? 0)).toBeGreaterThanOrEqual(3_000)
})
