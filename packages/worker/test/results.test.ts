import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { InvalidInputError, outcome, PermanentError, skill, TransientError } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { createManualClock } from './support/manual-clock.ts'
import { echo, fakeOrchestrator, gatedSkill, newWorker, runningWorker, until } from './support/setup.ts'

describe('what a work function does becomes a result', () => {
  const cases: [string, () => unknown, object][] = [
    ['data is a success', () => ({ lines: 3 }), { status: 'success', data: { lines: 3 } }],
    ['nothing is a success', () => undefined, { status: 'success' }],
    [
      'an outcome carries its own status',
      () => outcome('needs_review', { page: 2 }),
      { status: 'needs_review', data: { page: 2 } },
    ],
    ['a thrown transient error', fails(new TransientError('busy')), failure('TRANSIENT_ERROR', 'busy')],
    ['a thrown permanent error', fails(new PermanentError('gone')), failure('PERMANENT_ERROR', 'gone')],
    ['a thrown input error', fails(new InvalidInputError('bad')), failure('INVALID_INPUT_ERROR', 'bad')],
    ['any other exception is transient', fails(new Error('oops')), failure('TRANSIENT_ERROR', 'oops')],
    ['a thrown value that is no error', fails('words'), failure('TRANSIENT_ERROR', 'words')],
    [
      'data that is not JSON',
      () => ({ big: 1n }),
      { status: 'failure', error: { code: 'PERMANENT_ERROR', message: expect.stringContaining('JSON') } },
    ],
    [
      'data that JSON would drop',
      () => () => {},
      { status: 'failure', error: { code: 'PERMANENT_ERROR', message: expect.stringContaining('function') } },
    ],
  ]
  test.each(cases)('%s', async (_name, run, expected) => {
    const server = await fakeOrchestrator()
    await runningWorker(server, { skills: { work: skill({ params: z.looseObject({}), run }) } })
    const task = aTask({ type: 'work', attempt: 3 })
    server.enqueue(task)
    await until(() => server.accepted.length === 1)
    expect(server.accepted[0]).toMatchObject({
      ...expected,
      job_id: task.job_id,
      task_id: task.task_id,
      attempt: 3,
      lease_token: 'lease-1',
      duration_ms: expect.any(Number),
    })
  })
})

test('params-that-do-not-fit-never-reach-the-work', async () => {
  const server = await fakeOrchestrator()
  const seen: unknown[] = []
  const params = z.object({ url: z.string(), size: z.object({ width: z.int() }) })
  await runningWorker(server, { skills: { render: skill({ params, run: (given) => seen.push(given) }) } })
  server.enqueue(aTask({ type: 'render', params: { url: 'x', size: { width: 'wide' } } }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({
    status: 'failure',
    error: { code: 'INVALID_INPUT_ERROR', message: expect.stringContaining('params.size.width') },
  })
  expect(seen).toEqual([])
})

test.each(['nobody-knows', 'constructor'])('task-of-unknown-skill-is-permanent: %s', async (type) => {
  const server = await fakeOrchestrator()
  await runningWorker(server)
  server.enqueue(aTask({ type }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject(failure('PERMANENT_ERROR', `Unsupported task: ${type}`))
})

test.each(['drop', 'drop-answer'] as const)('result-is-resent-after-dropped-connection: %s', async (fault) => {
  const server = await fakeOrchestrator()
  await runningWorker(server)
  server.fail('POST', /results$/, fault, 2)
  const task = aTask({ params: { n: 7 } })
  server.enqueue(task)
  await until(() => server.answers.length === (fault === 'drop' ? 1 : 3))
  expect(server.accepted).toHaveLength(1)
  expect(server.accepted[0]).toMatchObject({ task_id: task.task_id, data: { n: 7 } })
  // Proof that "ignored" was final: the next task's result comes alone.
  server.enqueue(aTask())
  await until(() => server.accepted.length === 2)
  expect(server.batches.at(-1)?.results).toHaveLength(1)
})

test('retry-asks-for-no-tasks-that-a-lost-answer-would-carry-away', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  const gated = gatedSkill()
  server.enqueue(aTask({ type: 'gated' }))
  // After the first poll no other comes through, so that the free slots are for the results' request to use.
  const firstPollOnly: typeof fetch = (input, init) =>
    String(input).includes('/tasks/next') && server.polls.length > 0
      ? Promise.resolve(new Response(null, { status: 429, headers: { 'retry-after': '900' } }))
      : fetch(input, init)
  await runningWorker(server, { clock, concurrency: 3, skills: { gated: gated.skill }, fetch: firstPollOnly })
  await until(() => gated.started.length === 1 && clock.sleeping().includes(900_000))
  server.fail('POST', /results$/, 'drop-answer')
  gated.release(gated.started[0] ?? '')
  await until(() => server.batches.length === 1 && clock.sleeping().some((ms) => ms <= 5))
  clock.advance(5)
  await until(() => server.batches.length === 2)
  expect(server.batches.map(({ next }) => next)).toEqual([3, 0])
})

test('result-waits-as-long-as-the-server-asks', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  await runningWorker(server, { clock })
  server.fail('POST', /results$/, { status: 429, headers: { 'retry-after': '120' } })
  server.enqueue(aTask())
  await until(() => clock.sleeping().includes(120_000))
  expect(server.accepted).toHaveLength(0)
  clock.advance(120_000)
  await until(() => server.accepted.length === 1)
})

test('result-without-deadline-survives-a-long-outage', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server)
  server.fail('POST', /results$/, { status: 503 }, 40)
  server.enqueue(aTask({ params: { kept: true } }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.data).toEqual({ kept: true })
})

test('result-is-given-up-after-its-deadline', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  await runningWorker(server, { clock, backoff: { firstMs: 20_000, maxMs: 20_000 } })
  server.fail('POST', /results$/, { status: 500 }, 1000)
  server.enqueue(aTask({ deadline: clock.now() / 1000 + 5 }))
  const tries = () => server.requests.filter(({ path }) => path.endsWith('/results')).length
  await until(() => tries() === 1 && clock.sleeping().some((ms) => ms >= 10_000 && ms <= 20_000))
  clock.advance(20_000)
  server.recover()
  server.enqueue(aTask({ params: { later: true } }))
  await until(() => server.answers.length > 0)
  expect(server.batches.flatMap(({ results }) => results.map(({ data }) => data))).toEqual([{ later: true }])
})

test('one-result-that-cannot-be-read-does-not-hold-back-the-others', async () => {
  const server = await fakeOrchestrator()
  const worker = newWorker(server, {
    skills: { echo, huge: skill({ params: z.looseObject({}), run: () => 'x'.repeat(5000) }) },
    fetch: (input, init) =>
      String(init?.body).length > 4000 ? Promise.resolve(Response.json({}, { status: 413 })) : fetch(input, init),
  })
  await worker.start()
  server.enqueue(...Array.from({ length: 9 }, (_, n) => aTask(n === 4 ? { type: 'huge' } : { params: { n } })))
  await until(() => server.accepted.length === 9)
  const failures = server.accepted.filter(({ status }) => status !== 'success')
  expect(failures).toEqual([
    expect.objectContaining({ error: { code: 'PERMANENT_ERROR', message: expect.stringContaining('413') } }),
  ])
})

test('a-bad-request-from-a-proxy-loses-no-result', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server)
  server.fail('POST', /results$/, { status: 400, body: { message: 'not from the orchestrator' } }, 5)
  server.enqueue(aTask({ params: { kept: true } }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ status: 'success', data: { kept: true } })
})

test('what-finishes-meanwhile-goes-in-one-batch', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { skills: { gated: gated.skill } })
  const tasks = Array.from({ length: 5 }, () => aTask({ type: 'gated' }))
  server.enqueue(...tasks)
  await until(() => gated.started.length === 5)
  for (const { task_id } of tasks) gated.release(task_id)
  await until(() => server.accepted.length === 5)
  expect(server.batches.length).toBeLessThan(5)
})

test('a-full-result-buffer-takes-no-more-tasks', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server, { concurrency: 2, resultBuffer: 4 })
  server.fail('POST', /results$/, { status: 503 }, 1_000_000)
  server.enqueue(...Array.from({ length: 20 }, () => aTask()))
  await until(() => server.leased.size === 4)
  const tries = () => server.requests.filter(({ path }) => path.endsWith('/results')).length
  const before = tries()
  await until(() => tries() > before + 5)
  expect(server.leased.size).toBe(4)
  server.recover()
  await until(() => server.accepted.length === 20)
})

function fails(error: unknown): () => never {
  return () => {
    throw error
  }
}
function failure(code: string, message: string) {
  return { status: 'failure', error: { code, message } }
}

test('a result that may be tried again so often only is given up after that, and its slot is free', async () => {
  const server = await fakeOrchestrator()
  server.fail('POST', /results$/, { status: 503 }, 1_000_000)
  await runningWorker(server, { concurrency: 1, resultRetries: 2 })
  server.enqueue(aTask())
  await until(() => server.requests.filter(({ path }) => path.endsWith('/results')).length === 3)
  server.recover()
  const next = aTask()
  server.enqueue(next)
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.task_id).toBe(next.task_id)
})
