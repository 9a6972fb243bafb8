/** Children: started, cancelled, and each told of the other’s end exactly once. */
import { isTerminal, type JsonObject } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { agentTask, blueprint, type Engine, type Revocation, stateAt, task } from '../src/index.ts'
import { knowledgeOf } from '../src/job/state-at.ts'
import { answer, counted, create, createFleet, logOf, single, take } from './fleet.ts'

const parent = blueprint({ name: 'parent' })
  .state('start', { start: true, to: ['done', 'sad'] }, ({ runBlueprint }) =>
    runBlueprint('single', { from: 'parent' }, { on: { success: 'done', failure: 'sad' } }),
  )
  .end('done', ({ last }) => last?.data)
  .end('sad', { outcome: 'failed' })

const childOf = async (engine: Engine, id: string) => {
  const { waiting } = await engine.job(id, null)
  if (waiting?.kind !== 'child') throw new Error('the job waits for no child')
  return waiting.childId
}

test('a child’s output comes back to its parent, once', async () => {
  const fleet = createFleet([parent, single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'parent')
  const [leased] = await fleet.time.during(engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 60_000 }))
  if (!leased) throw new Error('the child has dispatched its task')
  await answer(engine, leased, { data: { pages: 3 } })
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  await fleet.time.pass(600_000)
  const job = await engine.job(id, null)
  expect(job).toMatchObject({ status: 'finished', output: { pages: 3 } })
  expect(counted(await logOf(engine, job))).toMatchObject({ child_started: 1, child_finished: 1, job_finished: 1 })
})

test('a message that was delivered is gone with the commit that it led to', async () => {
  const goesOn = blueprint({ name: 'goes_on' })
    .state('start', { start: true, to: ['more'] }, ({ runBlueprint }) =>
      runBlueprint('single', {}, { on: { success: 'more' } }),
    )
    .state('more', { to: ['done'] }, ({ dispatch }) => dispatch('more', {}, { on: { success: 'done' } }))
    .end('done')
  const fleet = createFleet([goesOn, single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'goes_on')
  const [leased] = await fleet.time.during(engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 60_000 }))
  if (!leased) throw new Error('the child has dispatched its task')
  await answer(engine, leased)
  await fleet.time.until(async () => (await engine.job(id, null)).state === 'more')
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('a child is cancelled: its parent is told exactly once', async () => {
  const fleet = createFleet([parent, single()])
  const engines = [fleet.engine(), fleet.engine()]
  const [engine] = engines
  if (!engine) throw new Error('two engines were made')
  const { id } = await create(engine, 'parent')
  const child = await childOf(engine, id)
  await engine.cancel(child, null, 'me', null)
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  await fleet.time.pass(600_000)
  const job = await engine.job(id, null)
  expect(job.status).toBe('failed')
  expect(job.state).toBe('sad')
  expect(counted(await logOf(engine, job))).toMatchObject({ child_finished: 1, job_failed: 1 })
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('a parent is cancelled: its child is, too, its worker told, and no message stays behind', async () => {
  const fleet = createFleet([parent, single()])
  const [engine] = [fleet.engine(), fleet.engine()]
  const revoked: Revocation[] = []
  engine.onRevoked((revocation) => revoked.push(revocation))
  const { id } = await create(engine, 'parent')
  const child = await childOf(engine, id)
  const [leased] = await fleet.time.during(engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 60_000 }))
  await engine.cancel(id, null, 'me', 'enough')
  await fleet.time.until(async () => isTerminal((await engine.job(child, null)).status))
  await fleet.time.settle()
  expect(await engine.job(child, null)).toMatchObject({ status: 'cancelled', client: 'client', parentId: id })
  expect(revoked).toEqual([{ worker: 'w', taskId: leased?.task.id, jobId: child }])
  await fleet.time.pass(600_000)
  expect(counted(await logOf(engine, await engine.job(id, null)))).toEqual({
    job_created: 1,
    child_started: 1,
    cancel_requested: 1,
    job_cancelled: 1,
  })
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('a parent is cancelled before its child has run at all', async () => {
  const fleet = createFleet([parent, single()])
  const engine = fleet.engine({ start: false })
  const { id } = await create(engine, 'parent')
  const child = await childOf(engine, id)
  await engine.cancel(id, null, 'me', null)
  engine.start()
  await fleet.time.until(async () => isTerminal((await engine.job(child, null)).status))
  await fleet.time.pass(600_000)
  expect((await engine.job(child, null)).status).toBe('cancelled')
  expect(await take(engine)).toEqual([])
})

test('a child’s input is checked by the child’s own schema, and its defaults are filled in', async () => {
  const child = blueprint({ name: 'strict', input: z.object({ n: z.number(), unit: z.string().default('px') }) })
    .state('go', { start: true, to: ['done'] }, ({ goTo }) => goTo('done'))
    .end('done', ({ input }) => input)
  const caller = blueprint({ name: 'caller' })
    .state('call', { start: true, to: ['done'] }, ({ input, runBlueprint }) =>
      runBlueprint('strict', { n: input.n }, { on: { success: 'done' } }),
    )
    .end('done', ({ last }) => last?.data)
  const fleet = createFleet([caller, child])
  const engine = fleet.engine()
  const ended = async (input: JsonObject) => {
    const [job] = await engine.create([{ blueprint: 'caller', input, client: 'client' }])
    const id = job?.id ?? ''
    await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
    return engine.job(id, null)
  }
  expect((await ended({ n: 3 })).output).toEqual({ n: 3, unit: 'px' })
  const refused = await ended({ n: 'three' })
  expect(refused).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(refused.error?.message).toContain('input.n')
})

/** In the place of the workbench's own, which needs a database: a job that asks for one task. */
const agentRun = blueprint({ name: 'agent_run' })
  .state('turn', { start: true, to: ['done', 'failed'] }, ({ input, dispatch }) =>
    dispatch('turn', input, { on: { success: 'done', failure: 'failed' } }),
  )
  .end('done', ({ last }) => last?.data)
  .end('failed', { outcome: 'failed' })

const fanOut = (options: { failFast?: boolean; concurrency?: number; quorum?: number }) =>
  blueprint({ name: 'fan_out' })
    .state('ask', { start: true, to: ['join'] }, ({ parallel }) =>
      parallel(
        [agentTask({ prompt: 'a', attended: true }), task('plain', {}), agentTask({ prompt: 'b', attended: true })],
        {
          ...{ into: 'join', ...options },
        },
      ),
    )
    .state('join', { to: ['hold'] }, ({ goTo }) => goTo('hold'))
    .state('hold', { to: ['done'] }, ({ waitForEvent }) => waitForEvent({ name: 'enough', on: 'done' }))
    .end('done')

const takeTurn = async (fleet: ReturnType<typeof createFleet>, engine: Engine, skill = 'turn') => {
  const [leased] = await fleet.time.during(engine.take({ worker: 'w', skills: [skill], max: 1, waitMs: 60_000 }))
  if (!leased) throw new Error(`nobody has dispatched ${skill}`)
  return leased
}

test('jobs and tasks of one fan-out join in their order, no more than the cap at a time, and the log knows them', async () => {
  const fleet = createFleet([fanOut({ concurrency: 1 }), agentRun])
  const engine = fleet.engine()
  const { id } = await create(engine, 'fan_out')
  const first = await takeTurn(fleet, engine)
  expect(first.task.params).toMatchObject({ prompt: 'a', attended: true })
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ child_started: 1 })
  await answer(engine, first, { data: { n: 1 } })
  await answer(engine, await takeTurn(fleet, engine, 'plain'), { data: { n: 2 } })
  await answer(engine, await takeTurn(fleet, engine), { data: { n: 3 } })
  await fleet.time.until(async () => (await engine.job(id, null)).state === 'hold')
  const job = await engine.job(id, null)
  expect(job.results).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  expect(job.branches.map(({ skill, status }) => [skill, status])).toEqual([
    ['agent_run', 'done'],
    ['plain', 'done'],
    ['agent_run', 'done'],
  ])
  expect(stateAt(await engine.events(id, 0, 100), job.seq)).toEqual(knowledgeOf(job))
})

test('a job of a fan-out that is not needed any more is cancelled, and a late end of it changes nothing', async () => {
  const fleet = createFleet([fanOut({ failFast: true }), agentRun])
  const engine = fleet.engine()
  const { id } = await create(engine, 'fan_out')
  const a = await takeTurn(fleet, engine)
  await takeTurn(fleet, engine)
  await answer(engine, a, { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'no' } })
  await fleet.time.until(async () => (await engine.job(id, null)).state === 'hold')
  const { parentId } = await engine.job(a.task.jobId, null)
  expect(parentId).toBe(id)
  await fleet.time.pass(600_000)
  const job = await engine.job(id, null)
  expect(job.branches.map(({ status }) => status).sort()).toEqual(['closed', 'closed', 'failed'])
  expect(job.last).toMatchObject({ status: 'failure', error: { message: expect.stringContaining('no') } })
  const children = (await engine.events(id, 0, 100)).filter(({ type }) => type === 'child_started')
  const ends = await Promise.all(
    children.map(async ({ data }) => (await engine.job(String(data.child_job_id), null)).status),
  )
  expect(ends.sort()).toEqual(['cancelled', 'failed'])
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('a cancelled job takes the jobs of its fan-out along', async () => {
  const fleet = createFleet([fanOut({}), agentRun])
  const engine = fleet.engine()
  const { id } = await create(engine, 'fan_out')
  const [a, b] = [await takeTurn(fleet, engine), await takeTurn(fleet, engine)]
  await engine.cancel(id, null, 'me', null)
  for (const { task: each } of [a, b])
    await fleet.time.until(async () => (await engine.job(each.jobId, null)).status === 'cancelled')
  expect((await engine.job(id, null)).status).toBe('cancelled')
})
