/** Answers: given twice, late, for others, many at once; each counts once. */
import { expect, test } from 'vitest'
import { blueprint, task } from '../src/index.ts'
import { answer, counted, create, createFleet, failure, logOf, outcomeOf, single, take, takeOne } from './fleet.ts'

test('the same answer twice: the second is ignored, and nothing happens twice', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const leased = await takeOne(engine)
  expect(await answer(engine, leased)).toEqual({ status: 'accepted' })
  expect(await answer(engine, leased)).toEqual({ status: 'ignored', reason: 'job_already_terminated' })
  const { token, ...without } = outcomeOf(leased)
  expect(token).not.toBe('')
  expect(await engine.results([without])).toEqual([{ status: 'ignored', reason: 'job_already_terminated' }])
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ task_finished: 1, job_finished: 1 })
})

test.each([
  ['with token and attempt', ['token', 'attempt']],
  ['without the attempt', ['token']],
  ['without token and attempt', []],
] as const)('the same failure ten times at once, %s, uses up one try', async (_, fields) => {
  const fleet = createFleet([single({ attempts: 3 })])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const { token, attempt, ...older } = outcomeOf(await takeOne(engine), failure('TRANSIENT_ERROR'))
  const sent = { ...older, ...Object.fromEntries(fields.map((field) => [field, { token, attempt }[field]])) }
  const answers = await engine.results(Array.from({ length: 10 }, () => sent))
  expect(answers.filter((each) => each.status === 'accepted')).toHaveLength(1)
  expect((await engine.job(id, null)).waiting).toMatchObject({ kind: 'task', task: { attempt: 2 } })
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ task_failed: 1, task_retried: 1 })
})

test('an answer that comes late, after the task went to somebody else, is ignored; the other’s counts', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const late = await takeOne(engine, { worker: 'slow', leaseMs: 1_000 })
  const [now] = await fleet.time.during(engine.take({ worker: 'quick', skills: ['work'], max: 1, waitMs: 600_000 }))
  if (!now) throw new Error('the task is handed out again')
  expect(await answer(engine, late, { data: { by: 'slow' } })).toEqual({ status: 'ignored', reason: 'stale_task' })
  const { attempt: _, ...older } = outcomeOf(late, { data: { by: 'slow' } })
  expect(await engine.results([older])).toEqual([{ status: 'ignored', reason: 'lease_lost' }])
  const { token: __, ...withoutToken } = older
  expect(await engine.results([withoutToken])).toEqual([{ status: 'ignored', reason: 'lease_lost' }])
  expect(await answer(engine, now, { data: { by: 'quick' } })).toEqual({ status: 'accepted' })
  expect((await engine.job(id, null)).output).toEqual({ by: 'quick' })
})

test('a late and a good answer arrive at once: the good one counts, whichever comes first', async () => {
  for (const order of [0, 1]) {
    const fleet = createFleet([single()])
    const engine = fleet.engine()
    const { id } = await create(engine, 'single')
    const first = await takeOne(engine, { worker: 'a' })
    await engine.release([first])
    const second = await takeOne(engine, { worker: 'b' })
    const outcomes = [first, second].map((leased) => outcomeOf(leased, { data: { by: leased.worker } }))
    const sent = order === 0 ? outcomes : [...outcomes].reverse()
    const answers = await engine.results(sent)
    expect(answers[sent.findIndex((outcome) => outcome.worker === 'b')]).toEqual({ status: 'accepted' })
    expect(answers.filter((each) => each.status === 'accepted')).toHaveLength(1)
    expect((await engine.job(id, null)).output).toEqual({ by: 'b' })
  }
})

/** Two branches; while the answer to the first is being stored, everything else gathers. */
const two = blueprint({ name: 'two' })
  .state('start', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel([task('first', {}), task('work', {}, { retry: { attempts: 5 } })], { into: 'done' }),
  )
  .end('done', ({ results }) => results)

test('the same failure twice, both waiting behind another answer, uses up one try', async () => {
  const fleet = createFleet([two])
  const engine = fleet.engine()
  const { id } = await create(engine, 'two')
  const first = await takeOne(engine, { skills: ['first'] })
  const { attempt: _, ...older } = outcomeOf(await takeOne(engine), failure('TRANSIENT_ERROR'))
  const answers = await engine.results([outcomeOf(first), older, older, older])
  expect(answers.map((each) => each.status)).toEqual(['accepted', 'accepted', 'ignored', 'ignored'])
  const { waiting } = await engine.job(id, null)
  expect(waiting).toMatchObject({ kind: 'parallel', branches: [{}, { task: { attempt: 2 } }] })
})

test('a late and a good answer, both waiting behind another one: the good one counts', async () => {
  const fleet = createFleet([two])
  const engine = fleet.engine()
  const { id } = await create(engine, 'two')
  const first = await takeOne(engine, { skills: ['first'] })
  const late = await takeOne(engine, { worker: 'late' })
  await engine.release([late])
  const good = await takeOne(engine, { worker: 'good' })
  const answers = await engine.results([first, late, good].map((leased) => outcomeOf(leased, { data: leased.worker })))
  expect(answers.map((each) => each.status)).toEqual(['accepted', 'ignored', 'accepted'])
  expect((await engine.job(id, null)).output).toEqual(['worker', 'good'])
})

test('an answer for somebody else’s task, or for none, is ignored', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const other = await create(engine, 'single')
  const mine = await takeOne(engine, { worker: 'mine' })
  const { token: _, ...base } = outcomeOf(mine)
  const [stranger, guessed, wrongJob, noJob, noTask] = await engine.results([
    { ...base, worker: 'stranger' },
    { ...base, token: 'guessed', worker: 'stranger' },
    { ...base, token: mine.token, jobId: other.id },
    { ...base, token: mine.token, jobId: crypto.randomUUID() },
    { ...base, taskId: 'never-seen' },
  ])
  expect(stranger).toEqual({ status: 'ignored', reason: 'lease_lost' })
  expect(guessed).toEqual({ status: 'ignored', reason: 'lease_lost' })
  expect(wrongJob).toEqual({ status: 'ignored', reason: 'stale_task' })
  expect(noJob).toEqual({ status: 'ignored', reason: 'job_not_found' })
  expect(noTask).toEqual({ status: 'ignored', reason: 'stale_task' })
  expect((await engine.job(id, null)).status).toBe('waiting_for_worker')
  expect(await answer(engine, mine)).toEqual({ status: 'accepted' })
})

test('fifty results in one call are answered in their order, good and bad among each other', async () => {
  const wide = blueprint({ name: 'wide' })
    .state('start', { start: true, to: ['done'] }, ({ parallel }) =>
      parallel(
        Array.from({ length: 50 }, (_, at) => task('work', { at })),
        { into: 'done' },
      ),
    )
    .end('done', ({ results }) => results)
  const fleet = createFleet([wide])
  const engine = fleet.engine()
  const { id } = await create(engine, 'wide')
  const leases = await take(engine, { max: 50 })
  const shuffled = [...leases].sort((a, b) => (a.task.id < b.task.id ? -1 : 1))
  const answers = await engine.results(
    shuffled.flatMap((leased, at) => [
      outcomeOf(leased, { data: leased.task.params.at ?? null }),
      ...(at % 5 === 0 ? [outcomeOf(leased, { token: 'wrong', data: 'bad' })] : []),
    ]),
  )
  expect(answers.filter((each) => each.status === 'accepted')).toHaveLength(50)
  expect(answers).toHaveLength(60)
  expect((await engine.job(id, null)).output).toEqual(Array.from({ length: 50 }, (_, at) => at))
})
