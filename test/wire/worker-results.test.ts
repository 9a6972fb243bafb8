/** What becomes of results, in the words of both generations. */
import { expect, test } from 'vitest'
import { openFleet, unique } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

test('older: nested, answered with what was accepted', async () => {
  const { job, task, answer, read } = await openFleet()
  const results: [result: object, said: string, status: string][] = [
    [{ data: { a: 1 } }, 'result_accepted_success', 'finished'],
    [{ status: 'success', data: { a: 1 }, error: null }, 'result_accepted_success', 'finished'],
    [{ status: 'needs_review', data: { a: 1 } }, 'result_accepted_success', 'finished'],
    // The older server said so even where the job failed of it.
    [{ status: 'nobody_knows' }, 'result_accepted_success', 'failed'],
    [{ status: 'cancelled' }, 'result_accepted_cancelled', 'cancelled'],
    [
      { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'broken' } },
      'result_accepted_failure',
      'quarantined',
    ],
  ]
  for (const [result, said, status] of results) {
    const id = await job()
    const { job_id, task_id } = await task()
    const { body } = await answer({ job_id, task_id, result })
    expect(body, JSON.stringify(result)).toEqual({ status: said })
    expect((await read(id)).status, JSON.stringify(result)).toBe(status)
  }
})

test('newer: flat, answered with what it did to the job', async () => {
  const { job, task, answer, read } = await openFleet()
  const results: [result: object, transition: string, status: string, error?: string][] = [
    [{ status: 'success', data: { a: 1 }, error: null, metadata: null }, 'success_transition', 'finished'],
    [{ status: 'needs_review', data_metadata: { a: { size: 1 } } }, 'success_transition', 'finished'],
    [
      { status: 'nobody_knows' },
      'unhandled_status_failure',
      'failed',
      'Worker returned unhandled status: nobody_knows',
    ],
    [{ status: 'cancelled' }, 'cancelled_handled', 'cancelled'],
    [
      { status: 'failure', error: { code: 'INVALID_INPUT_ERROR', message: 'no url', details: { path: 'url' } } },
      'failure_handled',
      'failed',
      'Task failed due to invalid input: no url',
    ],
    [
      { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'broken', details: null } },
      'failure_handled',
      'quarantined',
      'Task failed with permanent error: broken',
    ],
    [{ status: 'failure', error: { code: 'SECURITY_ERROR', message: 'm' } }, 'failure_handled', 'quarantined'],
    [{ status: 'failure', error: { code: 'DEPENDENCY_ERROR', message: 'm' } }, 'failure_handled', 'quarantined'],
    [
      { status: 'failure', error: { code: 'CONTRACT_VIOLATION_ERROR', message: 'm' } },
      'failure_handled',
      'quarantined',
    ],
    [{ status: 'failure', error: { code: 'INTEGRITY_MISMATCH_ERROR', message: 'm' } }, 'failure_handled', 'failed'],
    [
      { status: 'failure', error: { code: 'RESOURCE_EXHAUSTED_ERROR', message: 'm' } },
      'failure_handled',
      'waiting_for_worker',
    ],
  ]
  for (const [result, transition, status, error] of results) {
    const id = await job()
    const { job_id, task_id } = await task()
    const { body } = await answer({ job_id, task_id, origin_worker_id: null, ...result })
    expect(body, JSON.stringify(result)).toEqual({ status: 'accepted', transition })
    const now = await read(id)
    expect(now.status, JSON.stringify(result)).toBe(status)
    if (error !== undefined) expect(now.error.message).toBe(error)
  }
})

test('data of a success, and of a custom status, goes into the job', async () => {
  const { job, task, answer, read } = await openFleet()
  const id = await job()
  const { job_id, task_id } = await task()
  await answer({ job_id, task_id, result: { status: 'needs_review', data: { page: 3 } } })
  expect(await read(id)).toMatchObject({ status: 'finished', result: { reviewed: { page: 3 } }, data: { page: 3 } })
})

test('a cancelled task goes where the blueprint says', async () => {
  const { job, task, answer, read } = await openFleet()
  const id = await job('wire_cancellable')
  const { job_id, task_id } = await task()
  await answer({ job_id, task_id, status: 'cancelled' })
  expect(await read(id)).toMatchObject({ status: 'finished', result: { undone: true } })
})

test('transient failures: four tries, then quarantine', async () => {
  const { job, task, answer, read } = await openFleet()
  const id = await job()
  for (let attempt = 1; attempt <= 4; attempt++) {
    const { job_id, task_id, attempt: told } = await task()
    expect(told).toBe(attempt)
    // As bare text, as without a code, and with codes that nobody knows: all count as transient.
    const error = [
      'busy',
      { message: 'busy' },
      { code: 'TRANSIENT_ERROR', message: 'busy' },
      { code: 'ODD', message: 'busy' },
    ][attempt - 1]
    await answer({ job_id, task_id, result: { status: 'failure', error } })
  }
  expect(await read(id)).toMatchObject({
    status: 'quarantined',
    error: { message: 'Task failed after 4 attempts: busy' },
  })
})

test('branches are told to be branches', async () => {
  const { job, task, answer, read } = await openFleet()
  const id = await job('wire_parallel')
  const first = await task()
  const second = await task()
  const older = await answer({ job_id: id, task_id: first.task_id, result: { data: { part: 1 } } })
  expect(older.body).toEqual({ status: 'parallel_branch_result_accepted' })
  const newer = await answer({ job_id: id, task_id: second.task_id, data: { part: 2 } })
  expect(newer.body).toEqual({ status: 'accepted', transition: 'parallel_branch_accepted' })
  expect((await read(id)).status).toBe('finished')
})

test('no such job: 404 to the older, ignored to the newer', async () => {
  const { answer } = await openFleet()
  for (const job_id of [crypto.randomUUID(), 'no-uuid']) {
    const older = await answer({ job_id, task_id: 't', result: {} })
    expect([older.status, older.body.error]).toEqual([404, 'Job not found'])
    const newer = await answer({ job_id, task_id: 't', status: 'success' })
    expect([newer.status, newer.body.status, newer.body.reason]).toEqual([200, 'ignored', 'job_not_found'])
  }
  expect((await answer({ task_id: 't' })).status).toBe(400)
  expect((await answer({ job_id: crypto.randomUUID() })).status).toBe(400)
})

test('late, doubled, or another’s: ignored, with the reason', async () => {
  const { worker, client, job, task, answer, read, workerId, skill } = await openFleet()
  const id = await job()
  const { job_id, task_id } = await task()
  const other = unique('other')
  await worker('POST', '/workers/register', { worker_id: other, supported_skills: [skill] })
  const hijack = await worker('POST', '/tasks/result', { worker_id: other, job_id, task_id, data: { mine: true } })
  expect(hijack.body).toMatchObject({ status: 'ignored', reason: 'worker_mismatch', message: expect.any(String) })
  expect((await answer({ job_id, task_id: 'task-of-nobody' })).body.reason).toBe('stale_task')
  expect((await answer({ job_id, task_id })).body.status).toBe('accepted')
  for (const form of [{}, { result: {} }])
    expect((await answer({ job_id, task_id, ...form })).body).toMatchObject({
      status: 'ignored',
      reason: 'job_already_terminated',
    })
  expect(await read(id)).toMatchObject({ status: 'finished' })

  const cancelled = await job()
  const held = await task()
  await client('POST', `/jobs/${cancelled}/cancel`)
  const late = await answer({ job_id: held.job_id, task_id: held.task_id, status: 'success' })
  expect(late.body).toMatchObject({ status: 'ignored', reason: 'job_cancelled' })
  expect((await read(cancelled)).status).toBe('cancelled')
  expect(workerId).not.toBe(other)
})

test('late, behind the deadline of the job', async () => {
  const { client, skill, task, answer, read } = await openFleet()
  const { body } = await client('POST', '/jobs', { blueprint: 'wire_single', input: { skill }, deadline_seconds: 1 })
  const { job_id, task_id } = await task()
  while ((await read(body.job_id)).status === 'waiting_for_worker')
    await new Promise((resolve) => setImmediate(resolve))
  expect((await answer({ job_id, task_id })).body).toMatchObject({ status: 'ignored', reason: 'deadline_exceeded' })
})

test('a result in another worker’s name is refused', async () => {
  const { worker, own, workerId } = await openFleet()
  const headers = { 'x-worker-token': own.token, 'x-worker-id': own.id }
  const result = { worker_id: workerId, job_id: crypto.randomUUID(), task_id: 't', result: {} }
  const answer = await worker('POST', '/tasks/result', result, headers)
  expect([answer.status, answer.body.error]).toEqual([
    403,
    `Forbidden: Authenticated worker '${own.id}' cannot submit results for another worker '${workerId}'.`,
  ])
})

test('our own words: many results in one call, each answered in its place, with the next tasks', async () => {
  const { worker, workerId, job, next, read } = await openFleet()
  const ids = [await job(), await job(), await job()]
  const { tasks } = (await next('?max=2')).body
  const results = tasks.map(({ job_id, task_id, attempt, lease_token }: Record<string, unknown>) => ({
    job_id,
    task_id,
    attempt,
    lease_token,
    data: { ok: true },
  }))
  const { status, body } = await worker('POST', '/tasks/results', {
    worker_id: workerId,
    results: [results[0], { job_id: crypto.randomUUID(), task_id: 't' }, results[1]],
    next: 5,
  })
  expect(status).toBe(200)
  expect(body.results).toMatchObject([
    { status: 'accepted' },
    { status: 'ignored', reason: 'job_not_found' },
    { status: 'accepted' },
  ])
  expect(body.tasks.map((each: { job_id: string }) => each.job_id)).toEqual([ids[2]])
  expect((await read(ids[0] ?? '')).status).toBe('finished')
})

test('a lease that was lost is told by its token, and words that we have no use for do no harm', async () => {
  const { job, task, answer, read } = await openFleet()
  const id = await job()
  const { job_id, task_id, attempt } = await task()
  const said = { job_id, task_id, attempt, picked_up_at: 1.5, timestamp: Math.floor(Date.now() / 1000), metadata: {} }
  expect((await answer({ ...said, lease_token: 'of-somebody-else' })).body).toMatchObject({
    status: 'ignored',
    reason: 'lease_lost',
  })
  expect((await read(id)).status).toBe('waiting_for_worker')
  expect((await answer(said)).body).toEqual({ status: 'accepted', transition: 'success_transition' })
})

test('who answers must be known: the global token with no worker id is refused', async () => {
  const { worker, job, task } = await openFleet()
  await job()
  const { job_id, task_id } = await task()
  const { status } = await worker('POST', '/tasks/result', { job_id, task_id, result: {} })
  expect([400, 401, 403]).toContain(status)
})
