<<<<<<< HEAD
/**
 * What each variable of the orchestrator does, seen from outside: with one value and with another. A variable whose part of the
 * system is not there yet stands in `pending`, with what it waits for; where its effect is written already, the test wants it to fail,
 * and so says when the variable has to be taken off that list.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { type Blueprint, blueprint } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { expect, onTestFinished } from 'vitest'
import { eager, errand, meeting, nested, round } from './blueprints.ts'
import { type Answer, caller, file, type Server, serve, until, written } from './server.ts'

export const pending: Readonly<Record<string, string>> = {
  INSTANCE_ID: 'names the consumer of the Redis store, which is not wired yet',
  REDIS_HOST: 'the Redis store is not wired yet',
  REDIS_PORT: 'the Redis store is not wired yet',
  REDIS_DB: 'the Redis store is not wired yet',
  REDIS_USERNAME: 'the Redis store is not wired yet',
  REDIS_PASSWORD: 'the Redis store is not wired yet',
  REDIS_TLS: 'the Redis store is not wired yet',
  REDIS_URL: 'the Redis store is not wired yet',
  REDIS_CLUSTER: 'the Redis store is not wired yet',
  REDIS_PREFIX: 'the Redis store is not wired yet',
  HISTORY_DATABASE_URI: 'the archive is not wired yet',
  HISTORY_RETENTION_DAYS: 'the archive is not wired yet',
  JOB_RETENTION_DAYS: 'nothing calls the store’s purge yet',
  S3_ENDPOINT_URL: 'object storage of jobs is not wired yet',
  S3_ACCESS_KEY: 'object storage of jobs is not wired yet',
  S3_SECRET_KEY: 'object storage of jobs is not wired yet',
  S3_DEFAULT_BUCKET: 'object storage of jobs is not wired yet',
  S3_REGION: 'object storage of jobs is not wired yet',
  S3_MAX_CONCURRENCY: 'object storage of jobs is not wired yet',
  S3_AUTO_CLEANUP: 'object storage of jobs is not wired yet',
  PAYLOAD_OFFLOAD_BYTES: 'object storage of jobs is not wired yet',
  TASK_FILES_DIR: 'files of jobs are not wired yet',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'traces are not wired yet',
  PUBLIC_URL: 'links for approvals are not wired yet',
  SIGNING_KEY: 'webhooks and links for approvals are not wired yet',
  WEBHOOK_ALLOW_PRIVATE: 'webhooks are not wired yet',
  METRICS_TOKEN: '/_public/metrics is not wired yet',
  DETAILED_API_RESPONSES: 'the short view of a job is not there yet',
  RATE_LIMITING_ENABLED: 'rate limits are not wired yet',
  RATE_LIMIT_LIMIT: 'rate limits are not wired yet',
  RATE_LIMIT_PERIOD: 'rate limits are not wired yet',
  RATE_LIMIT_HEARTBEAT_LIMIT: 'rate limits are not wired yet',
  RATE_LIMIT_POLL_LIMIT: 'rate limits are not wired yet',
  WORKER_AUTH_MODE: 'workers’ certificates are not looked at yet',
  WORKER_SIGNATURES: 'signatures of workers are not checked yet',
  STRICT_EVENT_VALIDATION: 'schemas of workers’ events are not kept yet',
  SKILL_RATE_LIMITS: 'the hand-out does not limit skills yet',
  MAX_JOB_DEPTH: 'the engine does not count generations yet',
  REPUTATION_REWARD_SUCCESS: 'reputation is not counted yet',
  REPUTATION_PENALTY_TASK_FAILURE: 'reputation is not counted yet',
  REPUTATION_PENALTY_CONTRACT_VIOLATION: 'reputation is not counted yet',
  REPUTATION_MIN_THRESHOLD: 'reputation is not counted yet',
  DISPATCHER_SOFT_LIMIT: 'the strategy “overflow” is not there yet',
}

export const effects: Readonly<Record<string, () => Promise<void>>> = {
  TUTTI_ENV: async () => {
    await serve({ TUTTI_ENV: 'development', CLIENT_TOKEN: 'change-this' })
    await expect(serve({ TUTTI_ENV: 'production', CLIENT_TOKEN: 'change-this' })).rejects.toThrow(/CLIENT_TOKEN/)
  },

  API_HOST: async () => {
    const { port } = await serve({ API_HOST: '127.0.0.2' })
    expect((await caller(`http://127.0.0.2:${port}`).get('/_public/status')).status).toBe(200)
    await expect(caller(`http://127.0.0.1:${port}`).get('/_public/status')).rejects.toThrow()
  },

  API_PORT: async () => {
    const port = await freePort()
    const server = await serve({ API_PORT: String(port) })
    expect((await caller(`http://127.0.0.1:${port}`).get('/_public/status')).status).toBe(200)
    expect(server.port).toBe(port)
  },

  ENABLE_CLIENT_API: async () => {
    expect((await (await serve({})).get('/api/v1/jobs')).status).toBe(200)
    const without = await serve({ ENABLE_CLIENT_API: 'false' })
    expect((await without.get('/api/v1/jobs')).status).toBe(404)
    expect((await without.post('/_worker/workers/register', { worker_id: 'w' })).status).toBe(200)
  },

  CLIENT_API_PREFIX: async () => {
    const moved = await serve({ CLIENT_API_PREFIX: '/engine/' })
    expect((await moved.get('/engine/v1/jobs')).status).toBe(200)
    expect((await moved.get('/api/v1/jobs')).status).toBe(404)
    expect((await (await serve({ CLIENT_API_PREFIX: '/' })).get('/v1/jobs')).status).toBe(200)
  },

  ...Object.fromEntries(
    ['TLS_ENABLED', 'TLS_CERT_PATH', 'TLS_KEY_PATH'].map((name) => [
      name,
      async () => {
        const { cert, key } = certificate()
        const { port } = await serve({ TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key })
        expect(await secureStatus(port, { ca: cert })).toBe(200)
      },
    ]),
  ),
  ...Object.fromEntries(
    ['TLS_CA_PATH', 'TLS_REQUIRE_CLIENT_CERT'].map((name) => [
      name,
      async () => {
        const { cert, key } = certificate()
        const stranger = certificate()
        const tls = { TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key, TLS_CA_PATH: cert }
        const strict = await serve({ ...tls, TLS_REQUIRE_CLIENT_CERT: 'true' })
        expect(await secureStatus(strict.port, { ca: cert, cert, key })).toBe(200)
        await expect(secureStatus(strict.port, { ca: cert })).rejects.toThrow()
        await expect(secureStatus(strict.port, { ca: cert, cert: stranger.cert, key: stranger.key })).rejects.toThrow()
        const lenient = await serve(tls)
        expect(await secureStatus(lenient.port, { ca: cert })).toBe(200)
      },
    ]),
  ),

  STORAGE: async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const job = await createAndRestart({ STORAGE: 'memory', DATABASE_URL: connectionString })
    expect(job.status).toBe(404)
  },

  DATABASE_URL: async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const job = await createAndRestart({ STORAGE: '', DATABASE_URL: connectionString })
    expect(job.status).toBe(200)
  },

  CLIENT_TOKEN: async () => {
    const jobs = (server: Server, token: string) => server.get('/api/v1/jobs', { 'x-client-token': token })
    const given = await serve({ CLIENT_TOKEN: 'mine' })
    expect([(await jobs(given, 'mine')).status, (await jobs(given, 'secure-orchestrator-token')).status]).toEqual([
      200, 401,
    ])
    expect((await jobs(await serve({}), 'secure-orchestrator-token')).status).toBe(200)
    expect((await jobs(await serve({ CLIENT_TOKEN: '' }), 'secure-orchestrator-token')).status).toBe(401)
  },

  GLOBAL_WORKER_TOKEN: async () => {
    const given = await serve({ GLOBAL_WORKER_TOKEN: 'ours' })
    expect([await register(given, 'ours'), await register(given, 'secure-worker-token')]).toEqual([200, 401])
    expect(await register(await serve({}), 'secure-worker-token')).toBe(200)
  },

  S3_SHARED_PREFIXES: async () => {
    const readsShared = blueprint({ name: 'reads' })
      .state('begin', { start: true, to: ['done'] }, ({ dispatch }) =>
        dispatch('run', { file: 's3://local/datasets/a' }, { on: { success: 'done' } }),
      )
      .end('done')
    const asked = async (env: Record<string, string>): Promise<string> => {
      const server = await serve(env, { blueprints: [readsShared] })
      await server.post('/_worker/workers/register', { worker_id: 'hand', supported_skills: ['run'] })
      await server.post('/api/v1/jobs', { blueprint: 'reads' })
      const { body } = await server.get('/_worker/workers/hand/tasks/next?timeout=5')
      const query = new URLSearchParams({ job_id: body.job_id, uri: 's3://local/datasets/a' })
      const path = `/_worker/tasks/${body.task_id}/files/download?${query}`
      return (await server.get(path, { 'x-worker-id': 'hand' })).body.code
    }
    expect(await asked({})).toBe('FILE_DENIED')
    expect(await asked({ S3_SHARED_PREFIXES: 'datasets/' }), 'it may be read, but is not there').toBe('FILE_NOT_FOUND')
  },

  CLIENTS_CONFIG_PATH: async () => {
    const server = await serve({ CLIENTS_CONFIG_PATH: file('clients.toml', '[anna]\ntoken = "of-anna"\n') })
    expect((await server.get('/api/v1/jobs', { 'x-client-token': 'of-anna' })).status).toBe(200)
    expect((await server.get('/api/v1/jobs')).status).toBe(401)
  },

  WORKERS_CONFIG_PATH: async () => {
    const server = await serve({ WORKERS_CONFIG_PATH: file('workers.toml', '[hand]\ntoken = "of-hand"\n') })
    expect([await register(server, 'of-hand'), await register(server, 'secure-worker-token')]).toEqual([200, 401])
  },

  // What its schedules do is for the scheduler's own tests.
  SCHEDULES_CONFIG_PATH: async () => {
    const path = file('schedules.toml', '[a]\nblueprint = "errand"\ninterval_seconds = 3600\n')
    await serve({ SCHEDULES_CONFIG_PATH: path }, { blueprints: [errand] })
    await expect(serve({ SCHEDULES_CONFIG_PATH: path })).rejects.toThrow(/schedules\.toml:2:1 .*errand/)
  },

  METRICS_TOKEN: async () => {
    const guarded = await serve({ METRICS_TOKEN: 'of-the-scraper' })
    const scrape = async (token: string): Promise<number> =>
      (await guarded.get('/_public/metrics', { authorization: `Bearer ${token}` })).status
    expect([await scrape('of-the-scraper'), await scrape('another')]).toEqual([200, 401])
    expect((await (await serve({})).get('/_public/metrics')).status).toBe(200)
  },

  ...Object.fromEntries(
    ['RATE_LIMITING_ENABLED', 'RATE_LIMIT_LIMIT'].map((name) => [
      name,
      async () => {
        const third = async (env: Record<string, string>): Promise<number> => {
          const server = await serve({ RATE_LIMIT_LIMIT: '2', ...env })
          for (let call = 1; call < 3; call += 1) expect((await server.get('/api/v1/jobs')).status).toBe(200)
          return (await server.get('/api/v1/jobs')).status
        }
        expect([await third({ RATE_LIMITING_ENABLED: 'true' }), await third({})]).toEqual([429, 200])
      },
    ]),
  ),

  RATE_LIMIT_POLL_LIMIT: async () => {
    const env = { RATE_LIMITING_ENABLED: 'true', RATE_LIMIT_POLL_LIMIT: '1', WORKER_POLL_TIMEOUT_SECONDS: '0.01' }
    const server = await serve(env)
    await register(server)
    const poll = async (): Promise<number> => (await server.get('/_worker/workers/hand/tasks/next')).status
    expect([await poll(), await poll()]).toEqual([204, 429])
  },

  SKILL_RATE_LIMITS: async () => {
    const server = await serve(
      { SKILL_RATE_LIMITS: 'run=1/1h', WORKER_POLL_TIMEOUT_SECONDS: '0.05' },
      { blueprints: [errand] },
    )
    await create(server, 'errand')
    await create(server, 'errand')
    await take(server)
    expect((await server.get('/_worker/workers/hand/tasks/next')).status).toBe(204)
  },

  RELOAD_WITH_ANY_CLIENT: async () => {
    const path = file('clients.toml', '[anna]\ntoken = "of-anna"\n')
    const reload = async (env: Record<string, string>): Promise<number> => {
      const server = await serve({ CLIENTS_CONFIG_PATH: path, ...env })
      return (await server.post('/api/v1/admin/reload-clients', undefined, { 'x-client-token': 'of-anna' })).status
    }
    expect([await reload({}), await reload({ RELOAD_WITH_ANY_CLIENT: 'true' })]).toEqual([403, 200])
  },

  BLUEPRINTS_DIR: async () => {
    const module = `import { blueprint } from ${JSON.stringify(import.meta.resolve('@tutti/engine'))}
export default blueprint({ name: 'found' }).state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b')).end('b')`
    const folder = dirname(file('found.ts', module))
    expect((await create(await serve({ BLUEPRINTS_DIR: folder }), 'found')).status).toBe(202)
    expect((await create(await serve({}), 'found')).status).toBe(404)
  },

  WORKER_TIMEOUT_SECONDS: async () => {
    const server = await serve({ WORKER_TIMEOUT_SECONDS: '0.2', JOB_MAX_RETRIES: '0' }, { blueprints: [errand] })
    const job = await create(server, 'errand')
    await take(server)
    const ended = await ending(server, job.body.job_id)
    expect(ended.status).not.toBe('finished')
  },

  WORKER_POLL_TIMEOUT_SECONDS: async () => {
    const server = await serve({ WORKER_POLL_TIMEOUT_SECONDS: '0.05' })
    await register(server)
    // Left at half a minute, this test would not end in time.
    expect((await server.get('/_worker/workers/hand/tasks/next')).status).toBe(204)
  },

  WORKER_HEALTH_CHECK_INTERVAL_SECONDS: async () => {
    const server = await serve({ WORKER_HEALTH_CHECK_INTERVAL_SECONDS: '0.1' })
    await register(server)
    await until(async () => !JSON.stringify((await server.get('/api/v1/workers')).body).includes('hand'))
    const patient = await serve({})
    await register(patient)
    expect(JSON.stringify((await patient.get('/api/v1/workers')).body)).toContain('hand')
  },

  JOB_MAX_RETRIES: async () => {
    for (const retries of [0, 2]) {
      const server = await serve({ JOB_MAX_RETRIES: String(retries) }, { blueprints: [eager] })
      const { job_id } = (await create(server, 'eager')).body
      for (let attempt = 0; attempt <= retries; attempt += 1) {
        expect((await server.get(`/api/v1/jobs/${job_id}`)).body.status).not.toBe('quarantined')
        await fail(server, job_id)
      }
      expect((await server.get(`/api/v1/jobs/${job_id}`)).body.status).toBe('quarantined')
    }
  },

  WATCHER_INTERVAL_SECONDS: async () => {
    const looks = async (env: Record<string, string>, enough: number): Promise<number> => {
      const store = createMemoryStore()
      let count = 0
      const counted = {
        ...store,
        leaseTimers: (request: Parameters<typeof store.leaseTimers>[0]) => {
          count += 1
          return store.leaseTimers(request)
        },
      }
      const server = await serve(env, { store: counted })
      if (enough > 0) await until(async () => count >= enough)
      await server.stop()
      return count
    }
    const few = await looks({}, 0)
    expect(await looks({ WATCHER_INTERVAL_SECONDS: '0.02' }, few + 10)).toBeGreaterThan(few)
  },

  EXECUTOR_MAX_CONCURRENT_JOBS: async () => {
    const alone = meeting(2)
    const server = await serve({ EXECUTOR_MAX_CONCURRENT_JOBS: '1' }, { blueprints: [alone.blueprint] })
    // Each is answered when its handler has had its chance to begin; two that had begun would have met.
    const created = await Promise.all([create(server, 'meeting'), create(server, 'meeting'), create(server, 'meeting')])
    alone.free()
    for (const { body } of created) expect((await ending(server, body.job_id)).status).toBe('finished')
    expect(alone.most()).toBe(1)

    // Three wait for one another: fewer at a time would never get through.
    const all = meeting(3)
    const wide = await serve({ EXECUTOR_MAX_CONCURRENT_JOBS: '3' }, { blueprints: [all.blueprint] })
    const met = await Promise.all([create(wide, 'meeting'), create(wide, 'meeting'), create(wide, 'meeting')])
    for (const { body } of met) expect((await ending(wide, body.job_id)).status).toBe('finished')
    expect(all.most()).toBe(3)
  },

  MAX_TRANSITIONS_PER_JOB: async () => {
    expect(await outcome({ MAX_TRANSITIONS_PER_JOB: '5' }, round(20))).not.toBe('finished')
    expect(await outcome({}, round(20))).toBe('finished')
  },

  MAX_JOB_DEPTH: async () => {
    expect(await outcome({ MAX_JOB_DEPTH: '2', JOB_MAX_RETRIES: '0' }, nested(4))).not.toBe('finished')
    expect(await outcome({}, nested(4))).toBe('finished')
  },

  TZ: async () => {
    const written = async (env: Record<string, string>): Promise<string[]> => {
      const server = await serve(env, { blueprints: [round(1)] })
      const { job_id } = (await create(server, 'round')).body
      const { body } = await server.get(`/api/v1/jobs/${job_id}/history`)
      return (Array.isArray(body) ? body : body.items).map(({ timestamp }: { timestamp: string }) => timestamp)
    }
    for (const timestamp of await written({ TZ: 'Asia/Kathmandu' })) expect(timestamp).toMatch(/\+05:45$/)
    for (const timestamp of await written({})) expect(timestamp).toMatch(/Z$/)
  },

  LOG_LEVEL: async () => {
    expect((await written(await freePort(), {})).join()).toContain('the orchestrator listens')
    expect(await written(await freePort(), { LOG_LEVEL: 'ERROR' })).toEqual([])
  },

  LOG_FORMAT: async () => {
    for (const line of await written(await freePort(), {})) expect(JSON.parse(line)).toHaveProperty('msg')
    const lines = await written(await freePort(), { LOG_FORMAT: 'text' })
    expect(lines.join('\n')).toContain('the orchestrator listens')
    for (const line of lines) expect(() => JSON.parse(line), line).toThrow()
  },
}

const create = (server: Server, blueprint: string): Promise<Answer> => server.post('/api/v1/jobs', { blueprint })

const ending = (server: Server, id: string): Promise<{ status: string }> =>
  until(async () => {
    const { body } = await server.get(`/api/v1/jobs/${id}`)
    return ['finished', 'failed', 'cancelled', 'quarantined', 'error'].includes(body.status) && body
  })

/** How a job of the blueprint ends. */
const outcome = async (env: Record<string, string>, blueprint: Blueprint): Promise<string> => {
  const server = await serve(env, { blueprints: [blueprint] })
  const { job_id } = (await create(server, blueprint.name)).body
  return (await ending(server, job_id)).status
}

const register = async (server: Server, token = 'secure-worker-token'): Promise<number> => {
  const worker = { worker_id: 'hand', supported_skills: ['run'] }
  return (await server.post('/_worker/workers/register', worker, { 'x-worker-token': token })).status
}

/** Takes the next task, however long it is put off. */
const take = async (server: Server): Promise<{ task_id: string }> => {
  await register(server)
  return until(async () => {
    const { status, body } = await server.get('/_worker/workers/hand/tasks/next')
    return status === 200 && body
  })
}

const fail = async (server: Server, job_id: string): Promise<void> => {
  const { task_id } = await take(server)
  const result = { status: 'failure', error: { code: 'TRANSIENT_ERROR', message: 'not now' } }
  await server.post('/_worker/tasks/result', { job_id, task_id, worker_id: 'hand', result })
}

/** What becomes of a job when the server is started anew. */
const createAndRestart = async (env: Record<string, string>): Promise<Answer> => {
  const before = await serve(env, { blueprints: [errand] })
  const { job_id } = (await create(before, 'errand')).body
  await before.stop()
  return (await serve(env, { blueprints: [errand] })).get(`/api/v1/jobs/${job_id}`)
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A certificate that signs itself, for 127.0.0.1. */
const certificate = (): { cert: string; key: string } => {
  const folder = dirname(file('note', ''))
  const cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=hand', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  execFileSync('openssl', ['req', ...made, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { cert, key }
}

const secureStatus = async (port: number, files: { ca: string; cert?: string; key?: string }): Promise<number> => {
  const pem = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path)]))
  const call = request({ host: '127.0.0.1', port, path: '/_public/status', agent: false, ...pem })
  call.end()
  const [response] = await once(call, 'response')
  response.resume()
  return response.statusCode
}
=======
/** What each variable of the orchestrator does, seen from outside: with one value and with another. */
import { access } from './effects/access.ts'
import type { Effects } from './effects/effects.ts'
import { engine } from './effects/engine.ts'
import { kept } from './effects/kept.ts'
import { rates } from './effects/rates.ts'
import { serving } from './effects/serving.ts'
import { storage } from './effects/storage.ts'
import { telling } from './effects/telling.ts'

export const effects: Effects = { ...serving, ...storage, ...access, ...rates, ...engine, ...kept, ...telling }
>>>>>>> w/schedules
