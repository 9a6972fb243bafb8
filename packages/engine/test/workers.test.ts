/** Workers as they are: slow, dead, repeating themselves, answering for others. */
import { expect, test } from 'vitest'
import type { Revocation } from '../src/index.ts'
import { answer, counted, create, createFleet, failure, logOf, single, take, takeOne } from './fleet.ts'

const minute = 60_000

test('a worker takes a task, answers, and the job goes on', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const leased = await takeOne(engine)
  expect(leased.task).toMatchObject({ jobId: id, skill: 'work', attempt: 1 })
  expect(await answer(engine, leased, { data: { pages: 3 }, durationMs: 12 })).toEqual({ status: 'accepted' })
  const job = await engine.job(id, 'client')
  expect(job).toMatchObject({ status: 'finished', output: { pages: 3 } })
  expect(await logOf(engine, job)).toEqual([
    'job_created',
    'task_queued',
    'task_finished',
    'state_entered',
    'job_finished',
  ])
})

test('a worker that never answers: the lease runs out, the task is handed out again, one try later', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  await takeOne(engine, { worker: 'dead', leaseMs: minute })
  const waiting = engine.take({ worker: 'alive', skills: ['work'], max: 1, waitMs: 10 * minute })
  const [again] = await fleet.time.during(waiting)
  if (!again) throw new Error('the task is handed out again')
  expect(again.task.attempt).toBe(2)
  expect(await answer(engine, again)).toEqual({ status: 'accepted' })
  expect((await engine.job(id, null)).status).toBe('finished')
})

test('nobody ever answers: the tries are used up, and the job goes its way for failures', async () => {
  const fleet = createFleet([single({ attempts: 3 })])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const attempts: number[] = []
  await fleet.time.until(async () => {
    attempts.push(...(await take(engine, { leaseMs: 1_000 })).map((leased) => leased.task.attempt))
    return (await engine.job(id, null)).finishedAt !== null
  })
  expect(attempts).toEqual([1, 2, 3])
  expect((await engine.job(id, null)).status).toBe('failed')
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ task_lost: 3, task_retried: 2 })
})

test('a short lease that runs out is noticed when it runs out, not at the next safety look', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ settings: { safetyIntervalMs: 60 * minute } })
  await create(engine, 'single')
  await fleet.time.settle()
  const { task, expiresAt } = await takeOne(engine, { leaseMs: 1_000 })
  await fleet.time.until(async () => (await fleet.store.held('worker', task.id)) === undefined)
  expect(fleet.time.now() - expiresAt).toBeLessThan(1_000)
})

test('heartbeats keep a task in hand far beyond its lease, but not beyond its time-out', async () => {
  const fleet = createFleet([single({ attempts: 1 })])
  const engine = fleet.engine({ settings: { taskLeaseMs: 30_000 } })
  await engine.register({ id: 'worker', bootId: 'b1', skills: ['work'], info: {} })
  const { id } = await create(engine, 'single')
  const { task } = await takeOne(engine)
  for (let beat = 0; beat < 19; beat += 1) {
    await fleet.time.pass(20_000)
    expect((await engine.heartbeat('worker', {})).held).toEqual([task.id])
  }
  expect((await engine.job(id, null)).status).toBe('waiting_for_worker')
  await fleet.time.until(async () => {
    if (fleet.time.now() % 20_000 === 0) await engine.heartbeat('worker', {}).catch(() => {})
    return (await engine.job(id, null)).finishedAt !== null
  })
  const job = await engine.job(id, null)
  expect(job).toMatchObject({ status: 'failed', error: { code: 'TRANSIENT_ERROR' } })
  expect(job.error?.message).toMatch(/longer than its time-out/)
  expect((job.finishedAt ?? 0) - job.createdAt).toBeLessThan(11 * minute)
})

test('a worker whose task ran over its time-out is told to stop, on whichever instance it is', async () => {
  const fleet = createFleet([single({ attempts: 1 })])
  const [engine, other] = [fleet.engine(), fleet.engine()]
  const revoked: Revocation[] = []
  other.onRevoked((revocation) => revoked.push(revocation))
  const { id } = await create(engine, 'single')
  const { task } = await takeOne(engine, { leaseMs: 60 * minute })
  await fleet.time.until(async () => (await engine.job(id, null)).finishedAt !== null)
  expect(revoked).toEqual([{ worker: 'worker', taskId: task.id, jobId: id }])
})

test('a poll is aborted after the Store chose: the task is available again at once, its try not counted', async () => {
  const fleet = createFleet([single()])
  let hold: Promise<void> = Promise.resolve()
  let open = (): void => {}
  const slow = {
    ...fleet.store,
    leaseTasks: async (requests: Parameters<typeof fleet.store.leaseTasks>[0]) => {
      const leases = await fleet.store.leaseTasks(requests)
      await hold
      return leases
    },
  }
  const [engine, other] = [fleet.engine({ store: slow }), fleet.engine()]
  await create(engine, 'single')
  hold = new Promise((resolve) => {
    open = resolve
  })
  const gone = new AbortController()
  const polled = engine.take({ worker: 'gone', skills: ['work'], max: 1, waitMs: minute, signal: gone.signal })
  const parked = other.take({ worker: 'parked', skills: ['work'], max: 1, waitMs: minute })
  await fleet.time.settle()
  const before = fleet.time.now()
  gone.abort()
  expect(await polled).toEqual([])
  open()
  const [leased] = await fleet.time.during(parked)
  expect(leased?.task.attempt).toBe(1)
  expect(fleet.time.now()).toBe(before)
})

test('a worker that starts anew frees what its former process held, at once', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const register = (bootId: string | null) => engine.register({ id: 'worker', bootId, skills: ['work'], info: {} })
  await register('boot-1')
  await create(engine, 'single')
  const before = await takeOne(engine, { leaseMs: 60 * minute })
  const started = fleet.time.now()
  await register('boot-1')
  await register(null)
  await fleet.time.pass(1_000)
  expect(await fleet.store.held('worker', before.task.id)).toBe(before.token)
  await register('boot-2')
  const [after] = await fleet.time.during(
    engine.take({ worker: 'worker', skills: ['work'], max: 1, waitMs: 10 * minute }),
  )
  expect(after?.task.attempt).toBe(2)
  expect(fleet.time.now() - started).toBeLessThan(minute)
  expect((await answer(engine, before)).status).toBe('ignored')
})

test('a worker is listed as long as it gives signs of life, and must register again after', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ settings: { workerTtlMs: minute } })
  await expect(engine.heartbeat('worker', {})).rejects.toMatchObject({ code: 'WORKER_NOT_FOUND' })
  await engine.register({ id: 'worker', bootId: 'b', skills: ['work'], info: { gpu: 1 } })
  await fleet.time.pass(50_000)
  const { record } = await engine.heartbeat('worker', { status: 'busy' })
  expect(record.info).toEqual({ gpu: 1, status: 'busy' })
  await fleet.time.pass(50_000)
  expect((await engine.workers()).map((worker) => worker.id)).toEqual(['worker'])
  await fleet.time.pass(minute)
  expect(await engine.worker('worker')).toBeUndefined()
  await expect(engine.heartbeat('worker', {})).rejects.toMatchObject({ code: 'WORKER_NOT_FOUND' })
})

test('a heartbeat that names its tasks learns which are no longer its own', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  await engine.register({ id: 'worker', bootId: 'b', skills: ['work'], info: {} })
  const jobs = [await create(engine, 'single'), await create(engine, 'single')]
  const leases = await take(engine, { max: 2 })
  await engine.cancel(jobs[0]?.id ?? '', null, 'me', null)
  const ids = leases.map((leased) => leased.task.id)
  const { held } = await engine.heartbeat('worker', {}, ids)
  expect(held).toEqual(leases.filter((leased) => leased.task.jobId !== jobs[0]?.id).map((leased) => leased.task.id))
})

test('progress is noted from the task’s holder, and from nobody else', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const { task } = await takeOne(engine)
  const progress = (worker: string, taskId = task.id) =>
    engine.progress({ worker, jobId: id, taskId, progress: 0.5, message: 'half' })
  await progress('stranger')
  await progress('worker', 'never-seen')
  expect((await engine.job(id, null)).progress).toBeNull()
  await progress('worker')
  expect(await engine.job(id, null)).toMatchObject({ progress: 0.5, progressMessage: 'half' })
})

test('a worker that failed and gets the task again is not told to stop it', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const revoked: Revocation[] = []
  engine.onRevoked((revocation) => revoked.push(revocation))
  await create(engine, 'single')
  await answer(engine, await takeOne(engine), failure('TRANSIENT_ERROR'))
  const [again] = await fleet.time.during(
    engine.take({ worker: 'worker', skills: ['work'], max: 1, waitMs: 10 * minute }),
  )
  expect(again?.task.attempt).toBe(2)
  expect(revoked).toEqual([])
})
