/** What clients of both generations read: jobs, their logs and files, and what goes on. */
import { describe, expect, test } from 'vitest'
import { openClients } from './support/clients.ts'
import { unique } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

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
    // In the operator's name: nobody else makes jobs in that name meanwhile.
    const ids: string[] = []
    for (let n = 0; n < 4; n += 1)
      ids.unshift((await wire.operator('POST', '/api/wire/context', { initial_data: { n } })).body.job_id)
    const { status, body } = await wire.operator('GET', '/api/jobs?limit=4')
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
    const page = async (path: string) =>
      (await wire.operator('GET', path)).body.map((row: { job_id: string }) => row.job_id)
    expect(await page('/api/jobs?limit=2&offset=1')).toEqual(ids.slice(1, 3))
    expect(await page('/api/v1/jobs?offset=3&limit=1')).toEqual(ids.slice(3))
    expect(await page('/api/jobs?offset=10000')).toEqual([])
    for (const query of ['limit=many', 'offset=-1', 'limit=0']) {
      const refused = await wire.vip('GET', `/api/jobs?${query}`)
      expect([refused.status, refused.body.error], query).toEqual([400, 'Invalid limit/offset parameter'])
    }
    const others = (await wire.regular('GET', '/api/jobs')).body.map((row: { job_id: string }) => row.job_id)
    expect(others.filter((id: string) => ids.includes(id))).toEqual([])
    // Ours goes by cursors.
    expect(Object.keys((await wire.vip('GET', '/api/v1/jobs')).body)).toEqual(['items', 'next_cursor'])
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

  test('`fields` picks, and the id is always told; the result only when the job has ended (9.31)', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const read = async (query: string) => (await wire.vip('GET', `/api/jobs/${id}?${query}`)).body
    expect(await read('fields=status,nothing')).toEqual({ id, status: 'waiting_for_human' })
    expect((await read('')).result).toBeNull()
  })

  test('answers are compressed from 500 bytes on, with zstd where both are taken (9.26)', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_context', { text: 'all work and no play '.repeat(100) })
    const encoding = async (path: string, accepted: string) => {
      const headers = { 'x-client-token': wire.clientToken, 'accept-encoding': accepted }
      return (await wire.send('GET', path, undefined, headers)).headers.get('content-encoding')
    }
    expect(await encoding(`/api/jobs/${id}`, 'gzip, zstd')).toBe('zstd')
    expect(await encoding(`/api/jobs/${id}`, 'gzip')).toBe('gzip')
    expect(await encoding(`/api/jobs/${id}`, 'identity')).toBeNull()
    expect(await encoding('/_public/status', 'gzip, zstd')).toBeNull()
  })
})

describe('files of a job (9.31)', () => {
  test('an address to upload to, the bytes through us, the list, and a redirect to download', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const { body: upload } = await wire.vip('GET', `/api/jobs/${id}/files/upload?filename=a.txt&expires_in=60`)
    expect(upload).toEqual({ url: expect.any(String), expires_in: 60, method: 'PUT' })
    // Whoever has the address needs no token.
    expect((await fetch(upload.url, { method: 'PUT', body: 'by address' })).ok).toBe(true)
    const put = await wire.vip('PUT', `/api/jobs/${id}/files/content/b.txt`, 'hello')
    expect([put.status, put.body]).toEqual([
      200,
      { status: 'uploaded', s3_uri: expect.stringMatching(new RegExp(`^s3://[^/]+/(.+/)?jobs/${id}/b\\.txt$`)) },
    ])
    const { body: listed } = await wire.vip('GET', `/api/v1/jobs/${id}/files`)
    expect(listed).toMatchObject({
      items: [
        { name: 'a.txt', size: 10 },
        { name: 'b.txt', size: 5 },
      ],
      next_cursor: null,
    })
    for (const [name, text] of Object.entries({ 'a.txt': 'by address', 'b.txt': 'hello' })) {
      const download = await wire.vip('GET', `/api/jobs/${id}/files/download/${name}`)
      expect([download.status, download.headers.get('cache-control')]).toEqual([302, 'no-store'])
      const bytes = await fetch(download.headers.get('location') ?? '')
      expect([bytes.status, await bytes.text()]).toEqual([200, text])
    }
  })

  test('names that lead out of the job are 400, a file that is not there is 404', async () => {
    const wire = await openClients()
    const id = await wire.job('wire_person')
    const outside = encodeURIComponent('../x')
    const wrong = [`upload?filename=${outside}`, 'upload', 'upload?filename=a&expires_in=soon', `download/${outside}`]
    for (const path of wrong) expect((await wire.vip('GET', `/api/jobs/${id}/files/${path}`)).status, path).toBe(400)
    expect((await wire.vip('PUT', `/api/jobs/${id}/files/content/${outside}`, 'x')).status).toBe(400)
    const missing = await wire.vip('GET', `/api/jobs/${id}/files/download/none.txt`)
    expect([missing.status, missing.body.code]).toEqual([404, 'FILE_NOT_FOUND'])
  })
})

describe('what goes on', () => {
  test('the dashboard: how many workers, one’s own jobs by status; workers are listed as they registered', async () => {
    const wire = await openClients()
    const worker_id = unique('worker')
    const registration = { worker_id, worker_type: 'cpu', supported_tasks: [unique('skill')], hostname: 'attic' }
    await wire.send('POST', '/_worker/workers/register', registration, { 'x-worker-token': wire.workerToken })
    await wire.ended(await wire.job('wire_context'))
    for (const prefix of ['/api', '/api/v1']) {
      const { status, body } = await wire.vip('GET', `${prefix}/dashboard`)
      expect(status).toBe(200)
      expect(body.workers.total).toBeGreaterThan(0)
      expect(body.jobs).toMatchObject({ queued: expect.any(Number), finished: expect.any(Number) })
      const { body: list } = await wire.vip('GET', `${prefix}/workers`)
      expect(list.find((each: { worker_id: string }) => each.worker_id === worker_id)).toMatchObject({
        ...registration,
        status: 'idle',
        reputation: 1,
      })
    }
  })

  test('the catalogue: by skill who offers it, at what price, and what was said of it', async () => {
    const wire = await openClients()
    const [rich, plain] = [unique('rich'), unique('plain')]
    const contract = { name: rich, version: '1.2', input_schema: { type: 'object' } }
    const register = (body: object) =>
      wire.send(
        'POST',
        '/_worker/workers/register',
        { worker_id: unique('worker'), ...body },
        { 'x-worker-token': wire.workerToken },
      )
    const capabilities = { cost_per_skill: { [rich]: 0.5 } }
    await register({ worker_type: 'gpu', supported_skills: [contract, plain], capabilities })
    await register({ worker_type: 'cpu', supported_tasks: [rich], cost_per_skill: { [rich]: 0.25 } })
    const { status, body } = await wire.vip('GET', '/api/workers/catalog')
    expect(status).toBe(200)
    expect({ ...body[rich], worker_types: body[rich].worker_types.toSorted() }).toEqual({
      contract,
      base_price: 0.25,
      providers_count: 2,
      worker_types: ['cpu', 'gpu'],
      average_reputation: 1,
    })
    expect(body[plain]).toMatchObject({ contract: null, base_price: null, providers_count: 1, worker_types: ['gpu'] })
  })

  test('the quarantine: to its owner with what went wrong, to nobody else, and to nobody without a token', async () => {
    const wire = await openClients()
    const [skill, worker_id] = [unique('skill'), unique('worker')]
    const headers = { 'x-worker-token': wire.workerToken }
    const id = await wire.job('wire_single', { skill })
    await wire.send('POST', '/_worker/workers/register', { worker_id, supported_tasks: [skill] }, headers)
    const { body: task } = await wire.send('GET', `/_worker/workers/${worker_id}/tasks/next`, undefined, headers)
    const error = { code: 'PERMANENT_ERROR', message: 'broken' }
    const result = { job_id: id, task_id: task.task_id, worker_id, result: { status: 'failure', error } }
    await wire.send('POST', '/_worker/tasks/result', result, headers)
    const isIt = (job: { id: string }) => job.id === id
    for (const prefix of ['/api', '/api/v1']) {
      expect((await wire.vip('GET', `${prefix}/jobs/quarantined`)).body.find(isIt)).toMatchObject({
        status: 'quarantined',
        error: { code: 'PERMANENT_ERROR', message: 'Task failed with permanent error: broken' },
      })
      expect((await wire.regular('GET', `${prefix}/jobs/quarantined`)).body.filter(isIt)).toEqual([])
      expect((await wire.send('GET', `${prefix}/jobs/quarantined`)).status).toBe(401)
    }
  })

  test('reloading takes the role operator (9.16)', async () => {
    const wire = await openClients()
    const refused = await wire.vip('POST', '/api/admin/reload-workers')
    expect([refused.status, refused.body.code]).toEqual([403, 'FORBIDDEN'])
    const answer = await wire.operator('POST', '/api/admin/reload-workers')
    expect([answer.status, answer.body]).toEqual([200, { status: 'worker_configs_reloaded' }])
  })

  test('our choice: nobody can wipe the database or list the quarantine without a token', async () => {
    const { send } = await openClients()
    expect((await send('POST', '/_public/debug/flush_db')).status).toBe(404)
    expect((await send('GET', '/_public/jobs/quarantined')).status).toBe(404)
  })
})
