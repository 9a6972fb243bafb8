/** Forks: what a job knew at any line of its log is where another may begin. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { blueprint, type Engine, type ForkRequest, type Job, stateAt, task } from '../src/index.ts'
import { answer, create, createFleet, failure, logOf, take, takeOne } from './fleet.ts'

const pipeline = (version = 1) =>
  blueprint({ name: 'pipeline', version, input: z.object({ unit: z.string().default('px') }) })
    .state('probe', { start: true, to: ['render'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'render' }, retry: { attempts: 1 } }),
    )
    .state('render', { to: ['publish'] }, ({ parallel }) =>
      parallel(
        [1, 2].map((at) => task('work', { at }, { retry: { attempts: 1 } })),
        { into: 'publish' },
      ),
    )
    .state('publish', { to: ['done'] }, ({ dispatch, results, branches, last, data }) =>
      dispatch('work', { results, branches, last, data }, { on: { success: 'done' }, retry: { attempts: 1 } }),
    )
    .end('done', ({ data }) => data)

/** Probed as 3 pages, rendered once of two times, and then failed for good. */
const failedJob = async (engine: Engine): Promise<Job> => {
  const { id } = await create(engine, 'pipeline')
  await answer(engine, await takeOne(engine), { data: { pages: 3 } })
  const leases = await take(engine, { max: 2 })
  for (const leased of leases)
    await answer(engine, leased, leased.task.params.at === 1 ? { data: { size: 1 } } : failure('TRANSIENT_ERROR'))
  await answer(engine, await takeOne(engine), failure('PERMANENT_ERROR'))
  return engine.job(id, null)
}

test('again from where it failed, with all that it knew then, and in the end done', async () => {
  const fleet = createFleet([pipeline()])
  const engine = fleet.engine()
  const old = await failedJob(engine)
  expect(old).toMatchObject({ status: 'quarantined', state: 'publish' })
  const fork = await engine.fork(old.id, 'client', { by: 'me' })
  expect(fork).toMatchObject({
    status: 'waiting_for_worker',
    state: 'publish',
    data: { pages: 3 },
    results: [{ size: 1 }, null],
    client: 'client',
    parentId: null,
    origin: { kind: 'fork', jobId: old.id },
  })
  const leased = await takeOne(engine)
  expect(leased.task.params).toMatchObject({
    results: [{ size: 1 }, null],
    branches: [
      { status: 'done', data: { size: 1 } },
      { status: 'failed', error: { code: 'TRANSIENT_ERROR' } },
    ],
    last: { status: 'failure', data: { done: 1, failed: 1 } },
    data: { pages: 3 },
  })
  await answer(engine, leased)
  expect(await engine.job(fork.id, null)).toMatchObject({ status: 'finished', output: { pages: 3 } })
  // Terminal is final: the old one has not changed.
  expect(await engine.job(old.id, null)).toEqual(old)
  expect((await logOf(engine, fork)).slice(0, 3)).toEqual(['job_created', 'job_forked', 'task_queued'])
})

test('a fork can be forked: its own log tells what it began with', async () => {
  const fleet = createFleet([pipeline()])
  const engine = fleet.engine()
  const old = await failedJob(engine)
  const fork = await engine.fork(old.id, null, { by: 'me', data: { pages: 4, extra: true } })
  const again = await engine.fork(fork.id, null, { by: 'me' })
  expect(again).toMatchObject({ state: 'publish', data: { pages: 4, extra: true }, results: [{ size: 1 }, null] })
  const log = await engine.events(again.id, 0, 100)
  expect(stateAt(log, again.seq)).toMatchObject({ state: 'publish', data: { pages: 4, extra: true }, last: again.last })
})

test('from a state, with other input, onto another version; from a line of the log', async () => {
  const fleet = createFleet([pipeline(), pipeline(2)])
  const engine = fleet.engine()
  const [{ id } = { id: '' }] = await engine.create([{ blueprint: 'pipeline', input: {}, client: 'client' }])
  await answer(engine, await takeOne(engine), { data: { pages: 3 } })
  // It still runs.
  const fork = await engine.fork(id, null, { by: 'me', state: 'probe', input: { unit: 'em' }, version: 1 })
  expect(fork).toMatchObject({ state: 'probe', data: {}, input: { unit: 'em' }, version: 1 })
  const log = await engine.events(id, 0, 100)
  const entered = log.find((event) => event.type === 'state_entered')?.seq ?? 0
  const before = await engine.fork(id, null, { by: 'me', seq: entered - 1 })
  expect(before).toMatchObject({ state: 'probe', data: {}, version: 2, last: { data: { pages: 3 } } })
  const at = await engine.fork(id, null, { by: 'me', seq: entered })
  expect(at).toMatchObject({ state: 'render', data: { pages: 3 }, status: 'waiting_for_parallel' })
  expect((await engine.job(id, null)).status).toBe('waiting_for_parallel')
})

test('a job that came to a failed end begins again before that end', async () => {
  const fleet = createFleet([
    blueprint({ name: 'b' })
      .state('start', { start: true, to: ['bad'] }, ({ dispatch }) =>
        dispatch('work', {}, { on: { failure: 'bad' }, retry: { attempts: 1 } }),
      )
      .end('bad', { outcome: 'failed' }),
  ])
  const engine = fleet.engine()
  const { id } = await create(engine, 'b')
  await answer(engine, await takeOne(engine), failure('TRANSIENT_ERROR'))
  expect(await engine.job(id, null)).toMatchObject({ status: 'failed', state: 'bad' })
  expect(await engine.fork(id, null, { by: 'me' })).toMatchObject({ state: 'start', status: 'waiting_for_worker' })
})

test.each<[Partial<ForkRequest>, string, string]>([
  [{ state: 'publish' }, 'body.state', 'a state it was never in'],
  [{ state: 'nowhere' }, 'body.state', 'no state'],
  [{ seq: 0 }, 'body.seq', 'no line'],
  [{ seq: 99 }, 'body.seq', 'a line to come'],
  [{ seq: 1, state: 'render' }, 'body.state', 'a line of another state'],
  [{ input: { unit: 7 } }, 'body.input.unit', 'input that the blueprint refuses'],
  [{ version: 9 }, 'body.version', 'a version that is not there'],
])('refused: %o (%s, %s)', async (from, path) => {
  const fleet = createFleet([pipeline()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'pipeline')
  await expect(engine.fork(id, null, { by: 'me', ...from })).rejects.toMatchObject({ path })
  await expect(engine.fork(id, 'stranger', { by: 'me' })).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
})

test('moved to another version while it waits, it goes on there', async () => {
  const second = blueprint({ name: 'pipeline', version: 2 })
    .state('probe', { start: true, to: ['render'] }, ({ goTo }) => goTo('render'))
    .state('render', { to: ['done'] }, ({ goTo }) => goTo('done', { by: 'v2' }))
    .end('done', ({ data }) => data)
  const fleet = createFleet([pipeline(1)])
  const old = fleet.engine()
  const { id } = await create(old, 'pipeline')
  const engine = fleet.engine({ blueprints: [pipeline(1), second] })
  await expect(engine.migrate(id, null, { version: 3, by: 'me' })).rejects.toMatchObject({
    code: 'BLUEPRINT_NOT_FOUND',
  })
  await expect(engine.migrate(id, null, { version: 2, state: 'publish', by: 'me' })).rejects.toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.state',
  })
  expect(await engine.migrate(id, null, { version: 2, by: 'me' })).toMatchObject({
    version: 2,
    status: 'waiting_for_worker',
  })
  await answer(engine, await takeOne(engine))
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  expect(await engine.job(id, null)).toMatchObject({ status: 'finished', output: { by: 'v2' } })
})
