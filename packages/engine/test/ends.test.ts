/** Cancelling, deadlines, approvals, children: jobs that end before, or otherwise than, they meant to. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { type Blueprint, blueprint, type Revocation, task } from '../src/index.ts'
import { answer, create, createFleet, failure, single, take, takeOne } from './fleet.ts'

const wide = blueprint({ name: 'wide' })
  .state('start', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel(
      [1, 2, 3].map((at) => task('work', { at }, { concurrencyKey: at === 3 ? 'k' : `own-${at}` })),
      { into: 'done' },
    ),
  )
  .end('done', ({ results }) => results)

const approved = (timeout?: '1h'): Blueprint =>
  blueprint({ name: 'approved' })
    .state('ask', { start: true, to: ['done', 'refused', 'late'] }, ({ approval }) =>
      approval({
        message: 'well?',
        on: { approved: 'done', rejected: 'refused', ...(timeout ? { timeout: 'late' as const } : {}) },
        ...(timeout ? { timeout } : {}),
      }),
    )
    .end('done', ({ last }) => last?.data)
    .end('refused', { outcome: 'failed' })
    .end('late', ({ last }) => last?.status)

test('cancelled while queued: the task is gone', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const job = await engine.cancel(id, 'client', 'me', 'enough')
  expect(job).toMatchObject({ status: 'cancelled', error: { code: 'CANCELLED', message: 'enough' } })
  expect(await take(engine)).toEqual([])
  await expect(engine.cancel(id, 'client', 'me', null)).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
})

test('a stranger’s job can be neither seen nor cancelled nor approved', async () => {
  const fleet = createFleet([approved()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'approved')
  const notFound = { code: 'JOB_NOT_FOUND' }
  const decision = { decision: 'approved', by: 'x', comment: null }
  for (const [job, client] of [
    [id, 'stranger'],
    [crypto.randomUUID(), 'client'],
    ['no-uuid', null],
  ] as const) {
    await expect(engine.job(job, client)).rejects.toMatchObject(notFound)
    await expect(engine.cancel(job, client, 'x', null)).rejects.toMatchObject(notFound)
    await expect(engine.approve(job, client, decision)).rejects.toMatchObject(notFound)
  }
  expect((await engine.job(id, null)).status).toBe('waiting_for_human')
})

test('cancelled while leased: the worker is told on every instance, and its answer is ignored', async () => {
  const fleet = createFleet([single()])
  const engines = [fleet.engine(), fleet.engine()]
  const told = engines.map((engine) => {
    const revoked: Revocation[] = []
    engine.onRevoked((revocation) => revoked.push(revocation))
    return revoked
  })
  const [engine, other] = engines
  if (!engine || !other) throw new Error('two engines were made')
  const { id } = await create(engine, 'single')
  const leased = await takeOne(other)
  await engine.cancel(id, null, 'me', null)
  await fleet.time.settle()
  for (const revoked of told) expect(revoked).toEqual([{ worker: 'worker', taskId: leased.task.id, jobId: id }])
  expect(await answer(other, leased)).toEqual({ status: 'ignored', reason: 'job_cancelled' })
})

test('a fan-out is cancelled: all its tasks go, those in hand are named, and the next of a key gets in', async () => {
  const fleet = createFleet([wide])
  const engine = fleet.engine()
  const revoked: Revocation[] = []
  engine.onRevoked((revocation) => revoked.push(revocation))
  const first = await create(engine, 'wide')
  const second = await create(engine, 'wide')
  const leases = await take(engine, { max: 2 })
  await engine.cancel(first.id, null, 'me', null)
  await fleet.time.settle()
  expect(revoked.map((each) => each.taskId).sort()).toEqual(leases.map((leased) => leased.task.id).sort())
  const rest = await take(engine, { worker: 'other', max: 10 })
  expect(rest.map((leased) => [leased.task.jobId, leased.task.params.at]).sort()).toEqual(
    [1, 2, 3].map((at) => [second.id, at]),
  )
})

test('cancelled while it waits for its next try: it stays cancelled', async () => {
  let runs = 0
  const fleet = createFleet([
    blueprint({ name: 'b' })
      .state('start', { start: true, to: ['done'] }, ({ goTo }) => {
        runs += 1
        if (runs === 1) throw new Error('not yet')
        return goTo('done')
      })
      .end('done'),
  ])
  const engine = fleet.engine()
  const { id } = await create(engine, 'b')
  expect((await engine.job(id, null)).status).toBe('awaiting_retry')
  await engine.cancel(id, null, 'me', null)
  await fleet.time.pass(3_600_000)
  expect((await engine.job(id, null)).status).toBe('cancelled')
  expect(runs).toBe(1)
})

test('cancelled while its task waits for the next try: nobody gets it', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  await answer(engine, await takeOne(engine), failure('TRANSIENT_ERROR'))
  await engine.cancel(id, null, 'me', null)
  const polled = engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 3_600_000 })
  expect(await fleet.time.during(polled)).toEqual([])
})

test.each(['waiting', 'in hand'])('the deadline comes while the task is %s', async (where) => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single', { deadlineMs: 5_000.4 })
  const leases = where === 'in hand' ? await take(engine) : []
  await fleet.time.pass(4_999)
  expect((await engine.job(id, null)).status).toBe('waiting_for_worker')
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  const job = await engine.job(id, null)
  expect(job).toMatchObject({ status: 'failed', error: { code: 'DEADLINE' } })
  expect((job.finishedAt ?? 0) - job.createdAt).toBeLessThan(6_000)
  for (const leased of leases) expect((await answer(engine, leased)).status).toBe('ignored')
  expect(await take(engine)).toEqual([])
})

test('a job that ends before its deadline leaves no deadline behind', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  await create(engine, 'single', { deadlineMs: 5_000 })
  await answer(engine, await takeOne(engine))
  expect(await fleet.store.nextDue([], [])).toBeNull()
})
