/** How clients of both generations create jobs, decide on them and end them. */
import { describe, expect, test } from 'vitest'
import { type ClientWire, openClients } from './support/clients.ts'
import { unique } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

describe('who is calling', () => {
  test('whether it is there is told to everybody (9.1), and so is its document', async () => {
    const { send } = await openClients()
    const said = async (path: string) => {
      const { status, body } = await send('GET', path)
      return [status, body]
    }
    expect(await said('/_public/status')).toEqual([200, { status: 'ok' }])
    expect(await said('/_public/health')).toEqual([200, { status: 'ok', store: 'ok' }])
    expect(await said('/_public/openapi.json')).toMatchObject([200, { openapi: expect.stringMatching(/^3\.1/) }])
  })

  test('no token, a wrong one: 401 in the older words (9.2)', async () => {
    const { send } = await openClients()
    const none = await send('GET', '/api/jobs')
    expect([none.status, none.body.error]).toEqual([401, expect.stringMatching(/^Missing X-\S+ header$/)])
    const wrong = await send('GET', '/api/jobs', undefined, { 'x-avtomatika-token': 'guessed' })
    expect([wrong.status, wrong.body.error]).toEqual([401, 'Unauthorized: Invalid token'])
  })

  test('the token is taken from any of three headers, and never told back', async () => {
    const { send, job, clientToken: vip, workerToken } = await openClients()
    const id = await job('wire_context')
    const headers = [{ 'x-avtomatika-token': vip }, { 'x-client-token': vip }, { authorization: `Bearer ${vip}` }]
    for (const each of headers) {
      const { status, body } = await send('GET', `/api/jobs/${id}`, undefined, each)
      expect(status, JSON.stringify(each)).toBe(200)
      expect(JSON.stringify(body)).not.toContain(vip)
    }
    expect((await send('GET', '/api/jobs', undefined, { 'x-worker-token': workerToken })).status).toBe(401)
  })
})

describe('creating', () => {
  test('a blueprint’s endpoint answers 202 with the id, versioned and not (9.3)', async () => {
    const wire = await openClients()
    for (const path of ['/api/v1/wire/context', '/api/wire/context', '/api/wire/memo']) {
      const { status, body } = await wire.vip('POST', path, { initial_data: { value: 4 } })
      expect([status, body], path).toEqual([
        202,
        { status: 'accepted', job_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      ])
    }
    expect((await wire.vip('POST', '/api/v2/wire/context', {})).status).toBe(404)
  })

  test('the job is followed until its state is finished, and a value is carried from state to state (9.4, 9.10)', async () => {
    const wire = await openClients()
    const { body } = await wire.vip('POST', '/api/wire/memo', { initial_data: { value: 21 } })
    const { body: job } = await wire.vip('GET', `/api/jobs/${body.job_id}`)
    expect(job).toMatchObject({
      id: body.job_id,
      job_id: body.job_id,
      blueprint_name: 'wire_memo',
      current_state: 'finished',
      status: 'finished',
      initial_data: { value: 21 },
      state_history: { kept: 21, twice: 42 },
      error_message: null,
    })
  })

  test('a bare body is the input (9.5), an empty one is no input', async () => {
    const wire = await openClients()
    const input = async (body: object) => {
      const { body: accepted } = await wire.vip('POST', '/api/wire/context', body)
      return (await wire.vip('GET', `/api/jobs/${accepted.job_id}`)).body.initial_data
    }
    expect(await input({ city: 'Ulm', n: 1 })).toEqual({ city: 'Ulm', n: 1 })
    expect(await input({ initial_data: { city: 'Ulm' } })).toEqual({ city: 'Ulm' })
    expect(await input({ webhook_url: '' })).toEqual({})
    expect(await input({})).toEqual({})
  })

  test('what is no JSON object is 400, with the place of the fault (9.6)', async () => {
    const wire = await openClients()
    for (const body of ['{"a":', '[1]', '"text"', '7', 'null']) {
      const answer = await wire.vip('POST', '/api/wire/context', body)
      expect([answer.status, answer.body.code], body).toEqual([400, 'INVALID_BODY'])
    }
    const refused = await wire.vip('POST', '/api/wire/memo', { initial_data: { value: 'x' } })
    expect([refused.status, refused.body.path]).toEqual([400, 'body.initial_data.value'])
  })

  test('the later generation’s words beside the input: time-outs are kept to, the rest does no harm', async () => {
    const wire = await openClients()
    const wanted = { dispatch_timeout: 1, result_timeout: 60, security: { signature: 'x' }, metadata: { order: 12 } }
    const created = await wire.vip('POST', '/api/wire/memo', {
      initial_data: { value: 1 },
      ...wanted,
      webhook_url: null,
    })
    expect(created.status).toBe(202)
    const id = created.body.job_id
    expect((await wire.vip('GET', `/api/v1/jobs/${id}`)).body.metadata).toEqual({ order: 12 })
    const single = { blueprint: 'wire_single', input: { skill: unique('nobody-has-it') }, ...wanted }
    const { body } = await wire.vip('POST', '/api/v1/jobs', single)
    expect(await wire.ended(body.job_id)).toMatchObject({ status: expect.stringMatching(/^(failed|quarantined)$/) })
  })

  test('handlers see plan and params of the client: those beside the known fields, and those of a table (9.8)', async () => {
    const wire = await openClients()
    const seen = async (who: 'vip' | 'regular') => {
      const { body } = await wire[who]('POST', '/api/wire/context', {})
      return (await wire[who]('GET', `/api/jobs/${body.job_id}`)).body.result
    }
    expect(await seen('vip')).toMatchObject({ plan: 'premium', params: { languages: ['en', 'fr'] } })
    expect(await seen('regular')).toMatchObject({ plan: 'basic', params: { languages: ['en'] } })
  })

  test('a child finishes, its parent is resumed once with what the child made, and both are told apart (9.9)', async () => {
    const wire = await openClients()
    const { body } = await wire.vip('POST', '/api/wire/parent', {})
    const id = body.job_id
    expect((await wire.ended(id)).result).toEqual({ child: 'hello' })
    const { items } = (await wire.vip('GET', `/api/v1/jobs?parent_job_id=${id}`)).body
    expect(items).toMatchObject([{ parent_job_id: id, blueprint: 'wire_child', status: 'finished' }])
    const { body: log } = await wire.vip('GET', `/api/jobs/${id}/history`)
    const entered = log.filter((line: { state: string; event_type: string }) => line.event_type === 'state_entered')
    expect(entered).toHaveLength(1)
  })

  test('a job that goes in circles is ended (9.21)', async () => {
    const wire = await openClients()
    const { body } = await wire.vip('POST', '/api/wire/loop', {})
    const job = await wire.ended(body.job_id)
    expect(['failed', 'error', 'quarantined']).toContain(job.status)
    expect(job.error_message).toMatch(/changed state more than \d+ times/)
  })
})

describe('creating once, and many at once: our own words', () => {
  const at = (wire: ClientWire, token: string, key: string, body: object, path = '/api/v1/jobs') =>
    wire.send('POST', path, body, { authorization: `Bearer ${token}`, 'idempotency-key': key })

  test('the same Idempotency-Key: the job that is there; another request under it: 422; another client’s key is another', async () => {
    const wire = await openClients()
    const key = unique('key')
    const request = { blueprint: 'wire_memo', input: { value: 1 } }
    const first = await at(wire, wire.clientToken, key, request)
    const again = await at(wire, wire.clientToken, key, { input: { value: 1 }, blueprint: 'wire_memo' })
    expect([again.status, again.body]).toEqual([202, first.body])
    const other = await at(wire, wire.clientToken, key, { ...request, input: { value: 2 } })
    expect([other.status, other.body.code]).toEqual([422, 'IDEMPOTENCY_CONFLICT'])
    const stranger = await at(wire, wire.otherToken, key, request)
    expect([stranger.status, stranger.body.job_id === first.body.job_id]).toEqual([202, false])
  })

  test('it holds at a blueprint’s endpoint, in both forms of the body', async () => {
    const wire = await openClients()
    const key = unique('key')
    const bare = await at(wire, wire.clientToken, key, { value: 3 }, '/api/wire/memo')
    const wrapped = await at(wire, wire.clientToken, key, { initial_data: { value: 3 } }, '/api/v1/wire/memo')
    expect([bare.status, wrapped.body]).toEqual([202, bare.body])
  })

  test('an id of one’s own: again it is that job, to another client it is taken', async () => {
    const wire = await openClients()
    const request = { id: crypto.randomUUID(), blueprint: 'wire_memo', input: { value: 1 } }
    for (let times = 0; times < 2; times += 1)
      expect((await wire.vip('POST', '/api/v1/jobs', request)).body).toEqual({ status: 'accepted', job_id: request.id })
    const stranger = await wire.regular('POST', '/api/v1/jobs', request)
    expect(stranger.status).toBeGreaterThanOrEqual(400)
    expect(JSON.stringify(stranger.body)).not.toContain('wire_memo')
  })

  test('a batch: all are accepted in their order, or none is made and the place of the fault is told', async () => {
    const wire = await openClients()
    const tag = unique('batch')
    const job = (value: unknown) => ({ blueprint: 'wire_memo', input: { value }, tags: [tag] })
    const { status, body } = await wire.vip('POST', '/api/v1/jobs/batch', { jobs: [job(1), job(2)] })
    expect([status, body.jobs.map((each: { status: string }) => each.status)]).toEqual([202, ['accepted', 'accepted']])
    for (const [at, { job_id }] of body.jobs.entries())
      expect((await wire.ended(job_id)).state_history.twice).toBe((at + 1) * 2)
    const refused = await wire.vip('POST', '/api/v1/jobs/batch', { jobs: [job(1), job('x')] })
    expect([refused.status, refused.body.path]).toEqual([400, 'body.jobs.1.input.value'])
    const unknown = await wire.vip('POST', '/api/v1/jobs/batch', { jobs: [job(1), { blueprint: 'wire_nobody' }] })
    expect([unknown.status, unknown.body.code]).toEqual([404, 'BLUEPRINT_NOT_FOUND'])
    expect((await wire.vip('GET', `/api/v1/jobs?tag=${tag}`)).body.items).toHaveLength(2)
  })
})

describe('how much, and how often', () => {
  test('quota: so many jobs as are left, then 429 until the month is over; reading costs nothing (9.7)', async () => {
    const wire = await openClients()
    const few = (method: string, path: string, body?: unknown) =>
      wire.send(method, path, body, { 'x-client-token': wire.fewJobsToken })
    const { body: quota } = await few('GET', '/api/v1/quota')
    expect(quota.remaining).toBe(quota.monthly_attempts - quota.used)
    for (let left = quota.remaining - 1; left >= 0; left -= 1) {
      expect((await few('GET', '/api/jobs')).status).toBe(200)
      const { status, headers } = await few('POST', '/api/wire/context', {})
      expect([status, headers.get('x-quota-remaining')]).toEqual([202, String(left)])
    }
    const refused = await few('POST', '/api/wire/context', {})
    expect([refused.status, refused.body.code]).toEqual([429, 'QUOTA_EXCEEDED'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await few('GET', '/api/v1/quota')).body).toMatchObject({ used: quota.monthly_attempts, remaining: 0 })
    // Without monthly_attempts there is no limit, where the older server let nobody in.
    expect((await wire.regular('GET', '/api/v1/quota')).body).toMatchObject({ monthly_attempts: null, remaining: null })
  })

  test('429 for a client that asks too often tells Retry-After, and slows down nobody else (9.27)', async () => {
    const wire = await openClients()
    const ask = () => wire.send('GET', '/api/jobs', undefined, { 'x-client-token': wire.fewRequestsToken })
    let answer = await ask()
    for (let times = 0; answer.status === 200 && times < 30; times += 1) answer = await ask()
    expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([429, 'TOO_MANY_REQUESTS', true])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await wire.regular('GET', '/api/jobs')).status).toBe(200)
  })
})

describe('cancelling (9.20)', () => {
  test('404 for an unknown job; 200 at once; 409 for what has ended; a late result changes nothing', async () => {
    const wire = await openClients()
    const unknown = await wire.vip('POST', `/api/jobs/${crypto.randomUUID()}/cancel`)
    expect([unknown.status, unknown.body.error]).toEqual([404, 'Job not found'])
    const [skill, worker_id] = [unique('skill'), unique('worker')]
    const id = await wire.job('wire_single', { skill })
    const worker = { 'x-worker-token': wire.workerToken }
    await wire.send('POST', '/_worker/workers/register', { worker_id, supported_tasks: [skill] }, worker)
    const { body: task } = await wire.send('GET', `/_worker/workers/${worker_id}/tasks/next`, undefined, worker)
    const answer = await wire.vip('POST', `/api/jobs/${id}/cancel`)
    expect([answer.status, answer.body.status]).toEqual([200, 'cancellation_request_accepted'])
    expect((await wire.vip('POST', `/api/jobs/${id}/cancel`)).status).toBe(409)
    const result = { job_id: id, task_id: task.task_id, worker_id, status: 'success', data: { late: true } }
    await wire.send('POST', '/_worker/tasks/result', result, worker)
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body).toMatchObject({ status: 'cancelled', state_history: {} })
  })

  test('our choice: also what waits for a person is cancelled, where the older server answered 409', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    expect((await wire.vip('POST', `/api/jobs/${id}/cancel`)).status).toBe(200)
  })
})

describe.each(['/_public/webhooks/approval/ID', '/api/v1/jobs/ID/approve'])('approval at %s (9.22)', (address) => {
  test('404, 409 in a wrong state, 400 for a wrong decision or body, 200 and the job goes on', async () => {
    const wire = await openClients()
    const at = (id: string) => address.replace('ID', id)
    const approve = (id: string, body: unknown) => wire.vip('POST', at(id), body)
    expect((await approve(crypto.randomUUID(), { decision: 'approved' })).status).toBe(404)
    const ended = await wire.job('wire_context')
    expect((await approve(ended, { decision: 'approved' })).status).toBe(409)
    const working = await wire.job('wire_single', { skill: 'nobody-has-it' })
    // Our choice: what waits for a worker is no question to a person.
    expect((await approve(working, { decision: 'success' })).body.code).toBe('JOB_NOT_WAITING')
    const id = await wire.job('wire_person')
    for (const body of [{ decision: 'perhaps' }, {}, '{"decision":', []])
      expect((await approve(id, body)).status, JSON.stringify(body)).toBe(400)
    // As the later generation sends it, with words beside the decision.
    const given = await approve(id, { decision: 'approved', security: null, metadata: { by: 'anna' } })
    expect([given.status, given.body]).toEqual([200, { status: 'approval_received', job_id: id }])
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.current_state).toBe('finished')
  })

  test('our choice: it wants the token of the job’s client, where the older server asked nobody', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const path = address.replace('ID', id)
    expect((await wire.send('POST', path, { decision: 'approved' })).status).toBe(401)
    expect((await wire.regular('POST', path, { decision: 'approved' })).status).toBe(404)
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.status).toBe('waiting_for_human')
  })
})

describe('ownership (9.31): our choice is 404 where the later server said 403, so that nobody learns which ids exist', () => {
  test('every route of a job, the lists, the dashboard; children belong to their parent’s owner', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const { body: parent } = await wire.vip('POST', '/api/wire/parent', {})
    const { items } = (await wire.vip('GET', `/api/v1/jobs?parent_job_id=${parent.job_id}`)).body
    const tries: [method: string, path: string, body?: unknown][] = [
      ['GET', ''],
      ['GET', '/history'],
      ['GET', '/stream'],
      ['GET', '/files'],
      ['GET', '/files/upload?filename=a'],
      ['GET', '/files/download/a'],
      ['PUT', '/files/content/a', '{}'],
      ['POST', '/cancel'],
      ['POST', '/approve', { decision: 'approved' }],
    ]
    for (const job of [id, parent.job_id, items[0].id])
      for (const prefix of ['/api', '/api/v1'])
        for (const [method, path, body] of tries) {
          const answer = await wire.regular(method, `${prefix}/jobs/${job}${path}`, body)
          expect([answer.status, answer.body.code], `${method} ${prefix} ${path}`).toEqual([404, 'JOB_NOT_FOUND'])
        }
    const others = (await wire.regular('GET', '/api/v1/jobs?limit=100')).body.items
    expect(others.filter((other: { id: string }) => [id, parent.job_id, items[0].id].includes(other.id))).toEqual([])
    // In the other one's name nothing ever waits for a person.
    expect((await wire.regular('GET', '/api/dashboard')).body.jobs).not.toHaveProperty('waiting_for_human')
    expect((await wire.vip('GET', '/api/dashboard')).body.jobs.waiting_for_human).toBeGreaterThan(0)
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.status).toBe('waiting_for_human')
  })
})
