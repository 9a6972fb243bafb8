import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigError, loadBackend, loadOrchestrator } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'tutti-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
function file(text: string): string {
  files += 1
  const path = join(folder, `${files}.toml`)
  writeFileSync(path, text)
  return path
}

const memory = { STORAGE: 'memory' }

function faultsOf(env: Record<string, string>): ConfigError['faults'] {
  try {
    loadOrchestrator({ ...memory, ...env })
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('loading the orchestrator’s configuration', () => {
  it('shows the faults of the environment and of all files in one start', () => {
    const clients = file('[a]\n')
    const workers = file('[b]\ntoken = ""\n')
    const schedules = file('[c]\nblueprint = "x"\n')
    const paths = { CLIENTS_CONFIG_PATH: clients, WORKERS_CONFIG_PATH: workers, SCHEDULES_CONFIG_PATH: schedules }
    const env = { API_PORT: 'x', S3_ACCESS_KEY: 'a', ...paths }
    expect(faultsOf(env).map((fault) => fault.source)).toEqual([
      'environment',
      'environment',
      clients,
      workers,
      schedules,
    ])
  })

  it('tells “no file” from “a file with nobody in it”', () => {
    expect(loadOrchestrator(memory)).toMatchObject({ clients: null, workers: null })
    const env = { ...memory, CLIENTS_CONFIG_PATH: file(''), WORKERS_CONFIG_PATH: file('') }
    expect(loadOrchestrator(env)).toMatchObject({ clients: [], workers: [] })
  })

  it('does not warn about CLIENT_TOKEN when a file switches it off', () => {
    const env = { ...memory, CLIENTS_CONFIG_PATH: file(''), GLOBAL_WORKER_TOKEN: 'own' }
    expect(loadOrchestrator(env).warnings).toEqual([])
    expect(loadOrchestrator({ ...memory, GLOBAL_WORKER_TOKEN: 'own' }).warnings).toHaveLength(1)
  })

  it.each([{ GLOBAL_WORKER_TOKEN: 'shared' }, {}])('refuses a worker whose own token is the global one', (env) => {
    const token = 'GLOBAL_WORKER_TOKEN' in env ? 'shared' : 'secure-worker-token'
    const path = file(`[gpu]\ntoken = "${token}"\n`)
    const [fault] = faultsOf({ ...env, WORKERS_CONFIG_PATH: path })
    expect(fault).toMatchObject({ source: path, line: 2 })
    expect(fault?.what).toContain('[gpu] has GLOBAL_WORKER_TOKEN')
  })
})

describe('tokens across the files', () => {
  it('are told apart: a client’s is no worker’s', () => {
    const clients = file('[anna]\ntoken = "one"\n[otto]\ntoken = "all"\n')
    const workers = file('[gpu]\n\ntoken = "one"\n')
    const faults = faultsOf({
      CLIENTS_CONFIG_PATH: clients,
      WORKERS_CONFIG_PATH: workers,
      GLOBAL_WORKER_TOKEN: 'all',
    })
    expect(faults).toMatchObject([
      { source: workers, line: 3, what: '[gpu] has the token of the client [anna] as its own token' },
      { source: clients, line: 4, what: expect.stringContaining('[otto] has GLOBAL_WORKER_TOKEN') },
    ])
  })

  it('of workers are not CLIENT_TOKEN either, unless a file switches that off', () => {
    const env = { CLIENT_TOKEN: 'one', WORKERS_CONFIG_PATH: file('[gpu]\ntoken = "one"\n') }
    expect(faultsOf(env)).toHaveLength(1)
    expect(faultsOf({ ...env, CLIENTS_CONFIG_PATH: file('') })).toEqual([])
  })

  it('of the one client and of all workers are two', () => {
    const env = { CLIENT_TOKEN: 'one', GLOBAL_WORKER_TOKEN: 'one' }
    expect(faultsOf(env)).toMatchObject([{ variable: 'GLOBAL_WORKER_TOKEN' }])
    expect(faultsOf({ ...env, CLIENTS_CONFIG_PATH: file('') })).toEqual([])
    expect(faultsOf({ CLIENT_TOKEN: '', GLOBAL_WORKER_TOKEN: '' })).toEqual([])
  })

  it('must be there themselves where signatures are demanded', () => {
    const path = file(`[gpu]\ntoken_sha256 = "${'0'.repeat(64)}"\n`)
    expect(faultsOf({ WORKERS_CONFIG_PATH: path, WORKER_SIGNATURES: 'required' })).toMatchObject([{ source: path }])
    expect(faultsOf({ WORKERS_CONFIG_PATH: path, WORKER_SIGNATURES: 'optional' })).toEqual([])
  })

  it('are kept only where signatures are checked', () => {
    const env = { ...memory, WORKERS_CONFIG_PATH: file('[gpu]\ntoken = "find-me"\n') }
    expect(loadOrchestrator(env).workers?.[0]?.secret).toBeNull()
    expect(loadOrchestrator({ ...env, WORKER_SIGNATURES: 'optional' }).workers?.[0]?.secret).toBe('find-me')
  })
})

describe('the store', () => {
  const chosen = (env: Record<string, string>) => loadOrchestrator(env).storage
  const sql = { DATABASE_URL: 'postgresql://u:p@h/d' }

  it('is Redis before PostgreSQL, unless STORAGE says otherwise', () => {
    const both = { ...sql, REDIS_HOST: 'redis' }
    expect(chosen(both)).toMatchObject({ kind: 'redis', redis: { host: 'redis', port: 6379, db: 0 } })
    expect(chosen({ ...both, STORAGE: 'postgres' })).toEqual({
      kind: 'postgres',
      connectionString: 'postgresql://u:p@h/d',
    })
    expect(chosen({ ...both, STORAGE: 'memory' })).toEqual({ kind: 'memory' })
    expect(chosen(sql)?.kind).toBe('postgres')
  })

  it('is a fault where there is none, unless the caller brings one', () => {
    expect(() => loadOrchestrator({})).toThrow(/nowhere to keep jobs/)
    expect(loadOrchestrator({}, { ownStore: false }).storage).toBeNull()
    expect(() => loadOrchestrator({ STORAGE: 'redis' })).toThrow(/REDIS_HOST is not set/)
    expect(() => loadOrchestrator({ ...sql, STORAGE: 'redis' })).toThrow(/REDIS_HOST is not set/)
    expect(() => loadOrchestrator({ STORAGE: 'postgres', REDIS_HOST: 'r' })).toThrow(/DATABASE_URL is not set/)
  })

  it('of Redis may come as one address', () => {
    expect(chosen({ REDIS_URL: 'rediss://us%40er:p%3Aw@[::1]:7000/3', REDIS_PREFIX: 'x' })).toEqual({
      kind: 'redis',
      redis: {
        socket: '',
        host: '::1',
        port: 7000,
        db: 3,
        username: 'us@er',
        password: 'p:w',
        tls: true,
        cluster: false,
        prefix: 'x',
      },
    })
    expect(() => loadOrchestrator({ REDIS_URL: 'redis://a', REDIS_HOST: 'b' })).toThrow(/both set/)
    expect(() => loadOrchestrator({ REDIS_URL: 'redis://a/1', REDIS_CLUSTER: 'true' })).toThrow(/no database 1/)
  })

  it('of Redis may be behind a socket', () => {
    expect(chosen({ REDIS_URL: 'unix:///srv/a%20b/redis.sock?db=2&username=us%40er&password=p%3Aw' })).toMatchObject({
      redis: { socket: '/srv/a b/redis.sock', db: 2, username: 'us@er', password: 'p:w' },
    })
    expect(chosen({ REDIS_URL: 'unix:///redis.sock' })).toMatchObject({ redis: { db: 0, username: '', password: '' } })
    for (const wrong of ['unix:', 'unix://', 'unix:///', 'unix://host/redis.sock', 'unix:///redis.sock?db=one'])
      expect(() => loadOrchestrator({ REDIS_URL: wrong }), wrong).toThrow(/must be the address of a Redis/)
    expect(() => loadOrchestrator({ REDIS_URL: 'unix:///redis.sock', REDIS_CLUSTER: 'true' })).toThrow(
      /through a socket/,
    )
  })

  it('of the backend is the orchestrator’s, beside the PostgreSQL that it needs for itself', () => {
    const env = {
      INTERNAL_API_TOKEN: 'internal-token-of-tests',
      SECRET_KEY: 'key-of-tests-'.repeat(3),
      HOST: '127.0.0.1',
      ...sql,
    }
    const stored = (more: Record<string, string>) => loadBackend({ ...env, ...more }).storage
    for (const more of [{}, { REDIS_HOST: 'r' }, { REDIS_HOST: 'r', STORAGE: 'postgres' }])
      expect(stored(more)).toEqual(chosen({ ...sql, ...more }))
    expect(stored({ REDIS_HOST: 'r' })?.kind).toBe('redis')
    expect(() => stored({ STORAGE: 'memory' })).toThrow(/STORAGE=memory keeps jobs in the memory of one process/)
    expect(loadBackend({ ...env, STORAGE: 'memory' }, { ownStore: false }).storage).toBeNull()
    expect(() => loadBackend({ STORAGE: 'redis' })).toThrow(/DATABASE_URL[\s\S]*SECRET_KEY[\s\S]*REDIS_HOST is not set/)
  })
})

describe('the archive and the object storage', () => {
  it('tells a relative file from an absolute one', () => {
    const of = (uri: string) => loadOrchestrator({ ...memory, HISTORY_DATABASE_URI: uri }).history
    expect(of('')).toBeNull()
    expect(of('sqlite:///var/lib/h.db')).toEqual({ kind: 'sqlite', path: '/var/lib/h.db' })
    expect(of('sqlite:////var/lib/h.db')).toEqual({ kind: 'sqlite', path: '/var/lib/h.db' })
    expect(of('sqlite:h.db')).toEqual({ kind: 'sqlite', path: join(process.cwd(), 'h.db') })
    expect(of('postgresql://h/d')).toEqual({ kind: 'postgres', connectionString: 'postgresql://h/d' })
  })

  it('wants all of S3 or nothing', () => {
    const all = { S3_ENDPOINT_URL: 'http://s3:9000/', S3_ACCESS_KEY: 'a', S3_SECRET_KEY: 's' }
    expect(loadOrchestrator({ ...memory, ...all }).s3).toEqual({
      endpoint: 'http://s3:9000',
      accessKey: 'a',
      secretKey: 's',
      bucket: 'avtomatika-payloads',
      region: 'us-east-1',
      maxConcurrency: 100,
    })
    expect(loadOrchestrator({ ...memory, S3_REGION: 'eu' }).s3).toBeNull()
    const [fault] = faultsOf({ S3_ENDPOINT_URL: 'http://s3' })
    expect(fault?.what).toBe('S3_ENDPOINT_URL is set, and S3_ACCESS_KEY and S3_SECRET_KEY are missing')
  })

  it('does not take the keys of the workbench’s storage for half of its own', () => {
    const keys = { S3_ACCESS_KEY: 'a', S3_SECRET_KEY: 's' }
    expect(faultsOf(keys)).toMatchObject([{ variable: 'S3_ENDPOINT_URL' }])
    expect(loadOrchestrator({ ...memory, ...keys, S3_ENDPOINT: 'http://s3', S3_BUCKET: 'b' }).s3).toBeNull()
    const half = { S3_ENDPOINT: 'http://s3', S3_ENDPOINT_URL: 'http://s3', S3_ACCESS_KEY: 'a' }
    expect(faultsOf(half)).toMatchObject([{ variable: 'S3_SECRET_KEY' }])
  })
})

describe('HTTPS', () => {
  it('wants files that are there and can be used', () => {
    const broken = file('no PEM')
    expect(faultsOf({ TLS_ENABLED: 'true' }).map(({ variable }) => variable)).toEqual(['TLS_CERT_PATH', 'TLS_KEY_PATH'])
    expect(faultsOf({ TLS_ENABLED: 'on', TLS_CERT_PATH: broken, TLS_KEY_PATH: '/none' })).toMatchObject([
      { variable: 'TLS_KEY_PATH', what: expect.stringContaining('ENOENT') },
    ])
    expect(faultsOf({ TLS_ENABLED: 'on', TLS_CERT_PATH: broken, TLS_KEY_PATH: broken })).toMatchObject([
      { variable: 'TLS_CERT_PATH', what: expect.stringContaining('can’t be used together') },
    ])
  })

  it('is needed where certificates are all that lets workers in', () => {
    expect(faultsOf({ WORKER_AUTH_MODE: 'mtls-only' })).toMatchObject([{ variable: 'WORKER_AUTH_MODE' }])
  })
})

it('warns about a param that is nearly a limit, and leaves it a param', () => {
  const path = file('[a]\ntoken = "t"\nmonthly_attempt = 5\nlanguages = ["en"]\n')
  const { clients, warnings } = loadOrchestrator({ ...memory, GLOBAL_WORKER_TOKEN: 'w', CLIENTS_CONFIG_PATH: path })
  expect(clients?.[0]?.params).toEqual({ monthly_attempt: 5, languages: ['en'] })
  expect(warnings).toMatchObject([{ source: path, line: 3, remedy: 'Did you mean monthly_attempts?' }])
})

describe('variables that do nothing', () => {
  const warned = (env: Record<string, string>) =>
    loadOrchestrator({ ...memory, CLIENT_TOKEN: 'c', GLOBAL_WORKER_TOKEN: 'w', ...env }).warnings

  it('are named with the reason, or with the name that was meant', () => {
    expect(warned({ WORK_STEALING_ENABLED: 'true' })).toMatchObject([{ variable: 'WORK_STEALING_ENABLED' }])
    const meant = (name: string) => warned({ [name]: 'x' })[0]?.remedy
    expect(meant('REDIS_HOSTNAME')).toBe('Did you mean REDIS_HOST?')
    expect(meant('API_PROT')).toBe('Did you mean API_PORT?')
    expect(meant('CLIENTS_CONFIG_PAHT')).toBe('Did you mean CLIENTS_CONFIG_PATH?')
    expect(meant('S3_ENDPOINT')).toBeUndefined()
    expect(meant('S3_BUCKET')).toBeUndefined()
  })

  it('are left alone where they belong to somebody else', () => {
    const others = {
      REDIS_PORT_6379_TCP: 'tcp://10.0.0.1:6379',
      REDIS_SERVICE_HOST: '10.0.0.1',
      WORKER_ID: 'me',
      S3_PRESIGN_EXPIRES: '5',
      API_KEY: 'k',
      PATH: '/bin',
      TZDIR: '/usr/share',
    }
    expect(warned(others)).toEqual([])
  })
})
