import { expect, test } from 'vitest'
import { createShrink, startServer, type TestServer, tokens } from './support/server.ts'

const take = async (server: TestServer, worker = 'hand-2') =>
  (await server.work('GET', `/workers/${worker}/tasks/next`)).body

const held = async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const jobId = await createShrink(server)
  const task = await take(server)
  const { job_id, task_id, attempt, lease_token } = task
  return { server, jobId, task, proof: { job_id, task_id, attempt, lease_token, worker_id: 'hand-2' } }
}

const jobOf = async (server: TestServer, id: string) => (await server.call('GET', `/api/v1/jobs/${id}`)).body

test('answers-twice: the second answer changes nothing', async () => {
  const { server, jobId, proof } = await held()
  const first = await server.work('POST', '/tasks/result', { ...proof, status: 'success', data: { bytes: 1 } })
  expect(first.body).toEqual({ status: 'accepted', transition: 'success_transition' })
  const second = await server.work('POST', '/tasks/result', { ...proof, status: 'success', data: { bytes: 2 } })
  expect(second.body).toEqual({ status: 'ignored', reason: 'job_already_terminated', message: 'The job has ended' })
  expect(await jobOf(server, jobId)).toMatchObject({ status: 'finished', result: { bytes: 1 } })
})

test('answers-twice at the same moment: one counts', async () => {
  const { server, jobId, proof } = await held()
  const answers = await Promise.all(
    [1, 2, 3, 4].map((bytes) => server.work('POST', '/tasks/result', { ...proof, data: { bytes } })),
  )
  expect(answers.map(({ body }) => body.status).sort()).toEqual(['accepted', 'ignored', 'ignored', 'ignored'])
  expect((await jobOf(server, jobId)).status).toBe('finished')
})

test('answers-late: the task is somebody else’s by then', async () => {
  const { server, jobId, proof } = await held()
  // The worker's process starts anew: what the former one held is handed out again.
  await server.work('POST', '/workers/register', {
    worker_id: 'hand-2',
    supported_skills: ['picture.shrink'],
    boot_id: 'b',
  })
  const again = await take(server)
  expect(again).toMatchObject({ task_id: proof.task_id, attempt: 2 })
  const late = await server.work('POST', '/tasks/result', { ...proof, data: { bytes: 1 } })
  expect(late.body.status).toBe('ignored')
  const good = await server.work('POST', '/tasks/result', { ...again, worker_id: 'hand-2', data: { bytes: 2 } })
  expect(good.body.status).toBe('accepted')
  expect((await jobOf(server, jobId)).result).toEqual({ bytes: 2 })
})

test('answers-late: the job was cancelled meanwhile', async () => {
  const { server, jobId, proof } = await held()
  await server.call('POST', `/api/v1/jobs/${jobId}/cancel`, { reason: 'no more pictures' })
  const late = await server.work('POST', '/tasks/result', { ...proof, data: {} })
  expect(late.body).toEqual({ status: 'ignored', reason: 'job_cancelled', message: 'The job was cancelled' })
  expect((await jobOf(server, jobId)).status).toBe('cancelled')
  const unknown = await server.work('POST', '/tasks/result', { ...proof, job_id: crypto.randomUUID() })
  expect(unknown.body).toEqual({ status: 'ignored', reason: 'job_not_found', message: 'There is no such job' })
})

test('answers-for-someone-elses-task: a worker’s own token is good for that worker only', async () => {
  const { server, jobId, proof } = await held()
  const own = { 'x-worker-token': tokens.hand }
  const claimed = await server.work('POST', '/tasks/result', proof, own)
  expect([claimed.status, claimed.body.code]).toEqual([403, 'WORKER_MISMATCH'])
  const named = await server.work('POST', '/tasks/result', proof, { ...own, 'x-worker-id': 'hand-1' })
  expect([named.status, named.body.error]).toEqual([
    403,
    "Forbidden: Authenticated worker 'hand-1' cannot submit results for another worker 'hand-2'.",
  ])
  // It may name the task, but does not hold it.
  const asItself = await server.work(
    'POST',
    '/tasks/result',
    { ...proof, worker_id: 'hand-1', lease_token: undefined },
    own,
  )
  expect(asItself.body).toMatchObject({ status: 'ignored', reason: 'worker_mismatch' })
  expect((await jobOf(server, jobId)).status).toBe('waiting_for_worker')
})

test('results-in-both-forms: nested and flat, errors as text or object, absent fields as null', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const forms: [body: object, answer: string, status: string, error?: string][] = [
    [{ result: { status: 'success', data: { bytes: 1 }, error: null } }, 'result_accepted_success', 'finished'],
    [{ status: 'success', data: { bytes: 1 }, error: null, duration_ms: null }, 'success_transition', 'finished'],
    [{ data: { bytes: 1 } }, 'success_transition', 'finished'],
    [{ result: {} }, 'result_accepted_success', 'finished'],
    [{ status: 'refused', data: { why: 'ugly' } }, 'success_transition', 'failed'],
    [{ status: 'rotated' }, 'unhandled_status_failure', 'failed', 'Worker returned unhandled status: rotated'],
    [{ result: { status: 'rotated' } }, 'result_accepted_success', 'failed'],
    [{ status: 'cancelled' }, 'cancelled_handled', 'cancelled'],
    [{ result: { status: 'cancelled' } }, 'result_accepted_cancelled', 'cancelled'],
    [
      { result: { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'no such picture' } } },
      'result_accepted_failure',
      'quarantined',
      'Task failed with permanent error: no such picture',
    ],
    [
      { status: 'failure', error: { code: 'INVALID_INPUT_ERROR', message: 'not a picture', details: null } },
      'failure_handled',
      'failed',
      'Task failed due to invalid input: not a picture',
    ],
    [{ status: 'failure', error: 'the disk is full' }, 'failure_handled', 'waiting_for_worker'],
    [{ status: 'failure', error: { code: 'SECURITY_ERROR', message: 'm' } }, 'failure_handled', 'quarantined'],
    [{ status: 'failure', error: { code: 'INTEGRITY_MISMATCH_ERROR', message: 'm' } }, 'failure_handled', 'failed'],
  ]
  for (const [body, said, status, error] of forms) {
    const id = await createShrink(server)
    const { job_id, task_id } = await take(server)
    // As the older protocol has it: neither token nor attempt.
    const answer = await server.work('POST', '/tasks/result', { job_id, task_id, worker_id: 'hand-2', ...body })
    expect(answer.body.transition ?? answer.body.status, JSON.stringify(body)).toBe(said)
    const job = await jobOf(server, id)
    expect(job.status, JSON.stringify(body)).toBe(status)
    if (error !== undefined) expect(job.error.message, JSON.stringify(body)).toBe(error)
    if (status === 'waiting_for_worker') await server.call('POST', `/api/v1/jobs/${id}/cancel`)
  }
})

test('many results in one call, answered in order, with the next tasks', async () => {
  const server = await startServer()
  await server.worker('hand-2', ['floor.sweep'])
  const ids: string[] = []
  for (let n = 0; n < 2; n++) ids.push((await server.call('POST', '/api/v1/jobs', { blueprint: 'sweep' })).body.job_id)
  const { tasks } = (await server.work('GET', '/workers/hand-2/tasks/next?max=3&timeout=0')).body
  expect(tasks).toHaveLength(3)
  const [first, second, third] = tasks
  const done = ({ job_id, task_id, lease_token, attempt }: typeof first) => ({
    job_id,
    task_id,
    lease_token,
    attempt,
    result: { data: { dust: 1 } },
  })
  const answer = await server.work('POST', '/tasks/results', {
    worker_id: 'hand-2',
    results: [done(first), { ...done(second), worker_id: 'hand-1' }, done(first), done(second), done(third)],
    next: 10,
  })
  expect(answer.body.results).toEqual([
    { status: 'accepted' },
    { status: 'ignored', reason: 'worker_mismatch' },
    { status: 'ignored', reason: expect.any(String) },
    { status: 'accepted' },
    { status: 'accepted' },
  ])
  expect(answer.body.tasks).toHaveLength(1)
  expect((await jobOf(server, ids[0] ?? '')).result).toEqual([{ dust: 1 }, { dust: 1 }])
})

test('results count even where the next tasks can’t be had', async () => {
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      take: (request) => (request.max === 7 ? Promise.reject(new Error('away')) : engine.take(request)),
    }),
  })
  await server.worker('hand-2')
  const id = await createShrink(server)
  const { job_id, task_id } = await take(server)
  const results = [{ job_id, task_id, data: {} }]
  const answer = await server.work('POST', '/tasks/results', { worker_id: 'hand-2', results, next: 7 })
  expect([answer.status, answer.body]).toEqual([200, { results: [{ status: 'accepted' }], tasks: [] }])
  expect((await jobOf(server, id)).status).toBe('finished')
})
