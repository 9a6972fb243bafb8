/**
 * What changes with the settings of a server. These tests start their own, and are left out where the tests are pointed at one that
 * stands: it has the settings that it has.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { blueprintsDir } from './support/blueprints.ts'
import { type ClientWire, clientsOf } from './support/clients.ts'
import { clientsToml, namedTarget, prepareTarget } from './support/target.ts'

const startWith = async (env: Record<string, string>, sections = clientsToml): Promise<ClientWire> => {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const { env: base, target } = await prepareTarget(folder)
  await writeFile(join(folder, 'clients.toml'), sections)
  // Only here: where these tests are left out, nothing of the server is loaded.
  const { startOrchestrator } = await import('@tutti/orchestrator')
  const server = await startOrchestrator({ ...base, STORAGE: 'memory', BLUEPRINTS_DIR: blueprintsDir, ...env })
  onTestFinished(server.stop)
  return clientsOf(target)
}

describe.skipIf(namedTarget(process.env))('settings', () => {
  test('with a history archive the list is read from there, and its rows are the same', async () => {
    const file = join(tmpdir(), `wire-history-${crypto.randomUUID()}.db`)
    onTestFinished(async () => {
      for (const end of ['', '-wal', '-shm']) await rm(file + end, { force: true })
    })
    const wire = await startWith({ HISTORY_DATABASE_URI: `sqlite://${file}` })
    const id = await wire.job('wire_context')
    for (;;) {
      const { body } = await wire.vip('GET', '/api/jobs')
      if (body.length === 0 || body[0].event_type !== 'job_finished') continue
      expect(body).toMatchObject([{ job_id: id, state: 'finished', context_snapshot: { status: 'finished' } }])
      break
    }
  })

  test('instants are told in the zone of the installation', async () => {
    const wire = await startWith({ TZ: 'Asia/Tokyo' })
    const id = await wire.job('wire_context')
    expect((await wire.vip('GET', `/api/jobs/${id}`)).body.created_at).toMatch(/\+09:00$/)
  })

  test('DETAILED_API_RESPONSES=false: a job in brief, its result once it has ended (9.31)', async () => {
    const wire = await startWith({ DETAILED_API_RESPONSES: 'false' })
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

  test('the prefix is configured; the API can be left out', async () => {
    const moved = await startWith({ CLIENT_API_PREFIX: 'orchestra/api' })
    expect((await moved.vip('GET', '/orchestra/api/v1/jobs')).status).toBe(200)
    expect((await moved.vip('POST', '/orchestra/api/wire/context', {})).status).toBe(202)
    expect((await moved.vip('GET', '/api/v1/jobs')).status).toBe(404)
    expect((await moved.send('GET', '/_public/docs')).body.replaceAll('<wbr>', '')).toContain(
      '/orchestra/api/v1/wire/context',
    )
    const none = await startWith({ ENABLE_CLIENT_API: 'false' })
    expect((await none.vip('GET', '/api/v1/jobs')).status).toBe(404)
    expect((await none.send('GET', '/_public/status')).status).toBe(200)
  })

  test('429 for a client that asks too often tells Retry-After (9.27)', async () => {
    const wire = await startWith({ RATE_LIMITING_ENABLED: 'true', RATE_LIMIT_LIMIT: '3', RATE_LIMIT_PERIOD: '60' })
    const statuses: number[] = []
    for (let times = 0; times < 5; times += 1) statuses.push((await wire.vip('GET', '/api/jobs')).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    expect(Number((await wire.vip('GET', '/api/jobs')).headers.get('retry-after'))).toBe(20)
    // Not by address: another client behind the same gateway is not slowed down.
    expect((await wire.regular('GET', '/api/jobs')).status).toBe(200)
  })

  test('an installation without workers.toml has nothing to reload: 400 (9.16)', async () => {
    const wire = await startWith({ WORKERS_CONFIG_PATH: '' })
    const answer = await wire.operator('POST', '/api/admin/reload-workers')
    expect([answer.status, answer.body.error]).toEqual([400, 'WORKERS_CONFIG_PATH is not set, cannot reload configs.'])
  })

  test('429 for a worker that asks too often tells Retry-After (9.27)', async () => {
    const wire = await startWith({ RATE_LIMIT_POLL_LIMIT: '1' })
    const headers = { 'x-worker-token': wire.workerToken }
    await wire.send('POST', '/_worker/workers/register', { worker_id: 'w', supported_tasks: ['s'] }, headers)
    const poll = () => wire.send('GET', '/_worker/workers/w/tasks/next?timeout=0', undefined, headers)
    expect((await poll()).status).toBe(204)
    const refused = await poll()
    expect([refused.status, refused.body.code]).toEqual([429, 'TOO_MANY_REQUESTS'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('a configuration with faults does not start, and all faults are told (9.33)', async () => {
    const token = 'a-token-of-a-client'
    for (const [sections, said] of [
      ['[broken', /clients\.toml/],
      ['[a]\nplan = "x"\n', /token/],
      [`[a]\ntoken = "${token}"\nmonthly_attempts = "many"\n`, /monthly_attempts/],
    ] as const)
      await expect(startWith({}, sections), sections).rejects.toThrow(said)
  })
})
