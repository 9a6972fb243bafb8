/** What clients of both generations see. */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openClients, operator, regular, vip, workerToken } from './support/clients.ts'

describe('who is calling', () => {
  test('status is open to everybody (9.1)', async () => {
    const { send } = await openClients()
    const answer = await send('GET', '/_public/status')
    expect([answer.status, answer.body]).toEqual([200, { status: 'ok' }])
  })

  test('no token, a wrong one: 401 in the older words (9.2)', async () => {
    const { send } = await openClients()
    const none = await send('GET', '/api/jobs')
    expect([none.status, none.body.error]).toEqual([401, expect.stringMatching(/^Missing X-\S+ header$/)])
    const wrong = await send('GET', '/api/jobs', undefined, { 'x-avtomatika-token': 'guessed' })
    expect([wrong.status, wrong.body.error]).toEqual([401, 'Unauthorized: Invalid token'])
  })

  test('the token is taken from any of three headers, and never told back', async () => {
    const { send, job } = await openClients()
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

  test('quota: so many jobs are allowed, then 429; reading costs nothing (9.7)', async () => {
    const sections = `[few]\ntoken = "${vip}"\nplan = "basic"\nmonthly_attempts = 2\n[none]\ntoken = "${regular}"\n`
    const wire = await openClients({}, sections)
    for (let times = 0; times < 5; times += 1) expect((await wire.vip('GET', '/api/jobs')).status).toBe(200)
    const create = () => wire.vip('POST', '/api/wire/context', {})
    expect([(await create()).status, (await create()).status]).toEqual([202, 202])
    const refused = await create()
    expect([refused.status, refused.body.code]).toEqual([429, 'QUOTA_EXCEEDED'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    // Without monthly_attempts there is no limit, where the older server let nobody in.
    expect((await wire.regular('POST', '/api/wire/context', {})).status).toBe(202)
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
    for (;;) if ((await wire.vip('GET', `/api/jobs/${id}`)).body.status === 'finished') break
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.result).toEqual({ child: 'hello' })
    const { items } = (await wire.vip('GET', `/api/v1/jobs?parent_job_id=${id}`)).body
    expect(items).toMatchObject([{ parent_job_id: id, blueprint: 'wire_child', status: 'finished' }])
    const { body: log } = await wire.vip('GET', `/api/jobs/${id}/history`)
    const entered = log.filter((line: { state: string; event_type: string }) => line.event_type === 'state_entered')
    expect(entered).toHaveLength(1)
  })

  test('a job that goes in circles is ended (9.21)', async () => {
    const wire = await openClients({ MAX_TRANSITIONS_PER_JOB: '20' })
    const { body } = await wire.vip('POST', '/api/wire/loop', {})
    for (;;) {
      const { body: job } = await wire.vip('GET', `/api/jobs/${body.job_id}`)
      if (job.finished_at === null) continue
      expect(['failed', 'error', 'quarantined']).toContain(job.status)
      expect(job.error_message).toMatch(/20/)
      break
    }
  })
})

describe('cancelling (9.20)', () => {
  test('404 for an unknown job; 200 at once; 409 for what has ended; a late result changes nothing', async () => {
    const wire = await openClients()
    const unknown = await wire.vip('POST', `/api/jobs/${crypto.randomUUID()}/cancel`)
    expect([unknown.status, unknown.body.error]).toEqual([404, 'Job not found'])
    const id = await wire.job('wire_single', { skill: 'cancelled-skill' })
    const worker = { 'x-worker-token': workerToken }
    await wire.send(
      'POST',
      '/_worker/workers/register',
      { worker_id: 'w-1', supported_tasks: ['cancelled-skill'] },
      worker,
    )
    const { body: task } = await wire.send('GET', '/_worker/workers/w-1/tasks/next', undefined, worker)
    const answer = await wire.vip('POST', `/api/jobs/${id}/cancel`)
    expect([answer.status, answer.body.status]).toEqual([200, 'cancellation_request_accepted'])
    expect((await wire.vip('POST', `/api/jobs/${id}/cancel`)).status).toBe(409)
    const result = { job_id: id, task_id: task.task_id, worker_id: 'w-1', status: 'success', data: { late: true } }
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
    const given = await approve(id, { decision: 'approved' })
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

describe('reading', () => {
  test('a graph is DOT; of an unknown blueprint 404 (9.23)', async () => {
    const wire = await openClients()
    const graph = await wire.vip('GET', '/api/blueprints/wire_memo/graph')
    expect([graph.status, graph.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/vnd\.graphviz/),
    ])
    expect(graph.body).toMatch(/^digraph /m)
    const unknown = await wire.vip('GET', '/api/blueprints/nobody/graph')
    expect([unknown.status, unknown.body.error]).toEqual([404, 'Blueprint not found'])
  })

  test('the older list: of each job the newest line, newest first, by limit and offset (9.24)', async () => {
    const wire = await openClients()
    const ids: string[] = []
    for (let n = 0; n < 4; n += 1) ids.unshift(await wire.job('wire_context', { n }))
    const { status, body } = await wire.vip('GET', '/api/jobs')
    expect(status).toBe(200)
    expect(body.map((row: { job_id: string }) => row.job_id)).toEqual(ids)
    expect(Object.keys(body[0]).sort()).toEqual(
      [
        'event_id',
        'job_id',
        'timestamp',
        'state',
        'event_type',
        'duration_ms',
        'previous_state',
        'next_state',
        'worker_id',
        'attempt_number',
        'context_snapshot',
      ].sort(),
    )
    expect(body[0]).toMatchObject({
      event_type: 'job_finished',
      state: 'finished',
      context_snapshot: { id: ids[0], status: 'finished', initial_data: { n: 3 } },
    })
    const page = async (path: string) => (await wire.vip('GET', path)).body.map((row: { job_id: string }) => row.job_id)
    expect(await page('/api/jobs?limit=2&offset=1')).toEqual(ids.slice(1, 3))
    expect(await page('/api/v1/jobs?offset=3')).toEqual(ids.slice(3))
    expect(await page('/api/jobs?offset=4')).toEqual([])
    for (const query of ['limit=many', 'offset=-1', 'limit=0']) {
      const refused = await wire.vip('GET', `/api/jobs?${query}`)
      expect([refused.status, refused.body.error], query).toEqual([400, 'Invalid limit/offset parameter'])
    }
    expect((await wire.regular('GET', '/api/jobs')).body).toEqual([])
    // Ours goes by cursors.
    expect(Object.keys((await wire.vip('GET', '/api/v1/jobs')).body)).toEqual(['items', 'next_cursor'])
  })

  test('with a history archive the list is read from there, and its rows are the same', async () => {
    const file = join(tmpdir(), `wire-history-${crypto.randomUUID()}.db`)
    onTestFinished(async () => {
      for (const end of ['', '-wal', '-shm']) await rm(file + end, { force: true })
    })
    const wire = await openClients({ HISTORY_DATABASE_URI: `sqlite://${file}` })
    const id = await wire.job('wire_context')
    for (;;) {
      const { body } = await wire.vip('GET', '/api/jobs')
      if (body.length === 0 || body[0].event_type !== 'job_finished') continue
      expect(body).toMatchObject([{ job_id: id, state: 'finished', context_snapshot: { status: 'finished' } }])
      break
    }
  })

  test('the page of the API lists the endpoints of blueprints (9.25)', async () => {
    const wire = await openClients()
    const { status, headers, body } = await wire.send('GET', '/_public/docs')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const text = body.replaceAll('<wbr>', '')
    for (const path of ['/api/v1/wire/context', '/api/v1/wire/memo', '/api/v1/wire/person'])
      expect(text).toContain(path)
  })

  test('history: lines in order, without gaps; of an unknown job 404 (9.36)', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_memo', { value: 1 })
    const { body } = await wire.vip('GET', `/api/jobs/${id}/history`)
    expect(body.map((line: { seq: number }) => line.seq)).toEqual(body.map((_: unknown, at: number) => at + 1))
    expect(body.at(0).event_type).toBe('job_created')
    expect(body.at(-1).event_type).toBe('job_finished')
    expect((await wire.vip('GET', `/api/jobs/${crypto.randomUUID()}/history`)).status).toBe(404)
  })

  test('instants are told in the zone of the installation', async () => {
    const wire = await openClients({ TZ: 'Asia/Tokyo' })
    const id = await wire.job('wire_context')
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.created_at).toMatch(/\+09:00$/)
  })

  test('`fields` picks, and the id is always told; the result only when the job has ended (9.31)', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const read = async (query: string) => (await wire.vip('GET', `/api/jobs/${id}?${query}`)).body
    expect(await read('fields=status,nothing')).toEqual({ id, status: 'waiting_for_human' })
    expect((await read('')).result).toBeNull()
  })

  test('DETAILED_API_RESPONSES=false: a job in brief, its result once it has ended (9.31)', async () => {
    const wire = await openClients({ DETAILED_API_RESPONSES: 'false' })
    const open = await wire.job('wire_person')
    const ended = await wire.job('wire_context')
    const brief = (await wire.vip('GET', `/api/jobs/${open}`)).body
    expect(brief).toMatchObject({ id: open, status: 'waiting_for_human', blueprint_name: 'wire_person' })
    for (const hidden of ['initial_data', 'input', 'data', 'state_history', 'result', 'webhook_url'])
      expect(brief).not.toHaveProperty(hidden)
    expect((await wire.vip('GET', `/api/jobs/${ended}`)).body.result).toMatchObject({ plan: 'premium' })
    expect((await wire.vip('GET', `/api/jobs/${ended}?fields=result,input`)).body).toEqual({
      id: ended,
      result: expect.anything(),
    })
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
    expect((await wire.regular('GET', '/api/v1/jobs')).body.items).toEqual([])
    expect((await wire.regular('GET', '/api/dashboard')).body.jobs).toEqual({ queued: 0 })
    expect((await wire.vip('GET', '/api/dashboard')).body.jobs).toMatchObject({ waiting_for_human: 1 })
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.status).toBe('waiting_for_human')
  })
})

describe('the rest of the later generation (9.31)', () => {
  test('the prefix is configured; the API can be left out', async () => {
    const moved = await openClients({ CLIENT_API_PREFIX: 'orchestra/api' })
    expect((await moved.vip('GET', '/orchestra/api/v1/jobs')).status).toBe(200)
    expect((await moved.vip('POST', '/orchestra/api/wire/context', {})).status).toBe(202)
    expect((await moved.vip('GET', '/api/v1/jobs')).status).toBe(404)
    expect((await moved.send('GET', '/_public/docs')).body.replaceAll('<wbr>', '')).toContain(
      '/orchestra/api/v1/wire/context',
    )
    const none = await openClients({ ENABLE_CLIENT_API: 'false' })
    expect((await none.vip('GET', '/api/v1/jobs')).status).toBe(404)
    expect((await none.send('GET', '/_public/status')).status).toBe(200)
  })

  test('files: an address to upload to, the bytes through us, and a redirect to download', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const { body: upload } = await wire.vip('GET', `/api/jobs/${id}/files/upload?filename=a.txt&expires_in=60`)
    expect(upload).toEqual({ url: expect.any(String), expires_in: 60, method: 'PUT' })
    const put = await wire.vip('PUT', `/api/jobs/${id}/files/content/b.txt`, 'hello')
    expect([put.status, put.body]).toEqual([
      200,
      { status: 'uploaded', s3_uri: expect.stringMatching(/^s3:\/\/.*b\.txt$/) },
    ])
    const download = await wire.vip('GET', `/api/jobs/${id}/files/download/b.txt`)
    expect([download.status, download.headers.get('location')]).toEqual([302, expect.any(String)])
    const outside = await wire.vip('GET', `/api/jobs/${id}/files/upload?filename=${encodeURIComponent('../x')}`)
    expect(outside.status).toBe(400)
  })

  test('429 for a client that asks too often tells Retry-After (9.27)', async () => {
    const wire = await openClients({ RATE_LIMITING_ENABLED: 'true', RATE_LIMIT_LIMIT: '3', RATE_LIMIT_PERIOD: '60' })
    const statuses: number[] = []
    for (let times = 0; times < 5; times += 1) statuses.push((await wire.vip('GET', '/api/jobs')).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    expect(Number((await wire.vip('GET', '/api/jobs')).headers.get('retry-after'))).toBe(20)
    // Not by address: another client behind the same gateway is not slowed down.
    expect((await wire.regular('GET', '/api/jobs')).status).toBe(200)
  })

  test('reloading takes the role operator; a path that is not set is 400 (9.16)', async () => {
    const wire = await openClients()
    expect((await wire.vip('POST', '/api/admin/reload-workers')).status).toBe(403)
    const answer = await wire.send('POST', '/api/admin/reload-workers', undefined, { 'x-client-token': operator })
    expect([answer.status, answer.body.error]).toEqual([400, 'WORKERS_CONFIG_PATH is not set, cannot reload configs.'])
  })

  test('our choice: nobody can wipe the database or list the quarantine without a token', async () => {
    const { send } = await openClients()
    expect((await send('POST', '/_public/debug/flush_db')).status).toBe(404)
    expect((await send('GET', '/_public/jobs/quarantined')).status).toBe(404)
  })
})

test('a configuration with faults does not start, and all faults are told (9.33)', async () => {
  for (const [sections, said] of [
    ['[broken', /clients\.toml/],
    ['[a]\nplan = "x"\n', /token/],
    [`[a]\ntoken = "${vip}"\nmonthly_attempts = "many"\n`, /monthly_attempts/],
  ] as const)
    await expect(openClients({}, sections), sections).rejects.toThrow(said)
})
