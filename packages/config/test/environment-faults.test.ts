import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  ConfigError,
  formatFaults,
  loadBackend,
  loadEnvironment,
  loadManager,
  managerVariables,
  orchestratorVariables,
  readEnvironment,
  type VariableTable,
} from '../src/index.ts'

const manager = {
  BACKEND_URL: 'http://b:8000',
  INTERNAL_API_TOKEN: 'internal-token-of-tests',
  WORKSPACE_ROOT: '/srv/w',
}
const table: VariableTable = orchestratorVariables
const refused = (load: () => unknown): (string | undefined)[] => {
  try {
    load()
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ variable }) => variable)
  }
}
const blamed = (env: Record<string, string>) => readEnvironment(table, env).faults?.map(({ variable }) => variable)

describe('values that are refused', () => {
  it.each([
    ['API_PORT', '65536'],
    ['API_PORT', '80a'],
    ['API_PORT', '1e3'],
    ['API_PORT', '-1'],
    ['API_HOST', 'http://0.0.0.0'],
    ['LOG_LEVEL', 'LOUD'],
    ['LOG_FORMAT', 'xml'],
    ['STORAGE', 'tape'],
    ['API_PORT', 'tcp://10.0.0.1:8080'],
    ['REDIS_URL', 'http://redis'],
    ['REDIS_PREFIX', '{tutti}'],
    ['HISTORY_DATABASE_URI', 'mysql://h/d'],
    ['HISTORY_DATABASE_URI', 'sqlite://'],
    ['HISTORY_DATABASE_URI', 'sqlite://relative.db'],
    ['SIGNING_KEY', 'too-short'],
    ['SKILL_RATE_LIMITS', 'mail.send=100'],
    ['SKILL_RATE_LIMITS', 'a=1/1s, a=2/1s'],
    ['REPUTATION_MIN_THRESHOLD', '1.5'],
    ['CLIENT_API_PREFIX', 'a b'],
    ['WORKER_AUTH_MODE', 'none'],
    ['TZ', 'Mars/Olympus'],
    ['WORKER_TIMEOUT_SECONDS', '0'],
    ['WORKER_TIMEOUT_SECONDS', 'soon'],
    ['WORKER_TIMEOUT_SECONDS', '2147484'],
    ['JOB_MAX_RETRIES', '1.5'],
    ['DATABASE_URL', 'mysql://u:p@h/d'],
    ['INSTANCE_ID', 'two words'],
    ['CLIENT_TOKEN', 'ends-with-a-newline\n'],
    ['REDIS_HOST', 'redis://redis'],
    ['TUTTI_ENV', 'staging'],
  ])('%s=%s', (name, value) => {
    expect(blamed({ [name]: value })).toEqual([name])
  })

  it.each([
    ['SANDBOX', 'chroot'],
    ['EXECUTOR_IMAGE', '--privileged'],
    ['EXECUTOR_FILES', 'volume'],
    ['TASK_PULL_ENABLED', 'perhaps'],
    ['STAGING_ROOTS', '/srv/a:relative'],
    ['BACKEND_URL', 'backend:8000'],
  ])('%s=%s in the executor manager', (name, value) => {
    const { faults } = readEnvironment(managerVariables as VariableTable, { ...manager, [name]: value })
    expect(faults?.map(({ variable }) => variable)).toEqual([name])
  })

  it('all of them at once, each with a remedy', () => {
    const env = { API_PORT: 'x', LOG_LEVEL: 'x', TZ: 'x/y' }
    const { faults = [] } = readEnvironment(table, env)
    expect(faults.map(({ variable }) => variable).sort()).toEqual(['API_PORT', 'LOG_LEVEL', 'TZ'])
    for (const fault of faults) expect(fault.remedy).not.toBe('')
  })
})

describe('values that are accepted', () => {
  it.each(['true', '1', 'yes', 'on', 'TRUE', 'On'])('%s is a yes', (value) => {
    expect(readEnvironment(managerVariables, { ...manager, TASK_PULL_ENABLED: value }).config?.taskPullEnabled).toBe(
      true,
    )
  })

  it.each(['false', '0', 'no', 'off', 'No'])('%s is a no', (value) => {
    expect(readEnvironment(managerVariables, { ...manager, TASK_PULL_ENABLED: value }).config?.taskPullEnabled).toBe(
      false,
    )
  })

  it('splits staging roots and takes fractions of seconds', () => {
    const env = { ...manager, STAGING_ROOTS: '/srv/a:/srv/b/', TASK_PULL_INTERVAL_SECONDS: '0.5' }
    expect(readEnvironment(managerVariables, env).config).toMatchObject({
      stagingRoots: ['/srv/a', '/srv/b'],
      taskPullIntervalSeconds: 0.5,
    })
  })

  it('reads rates by skill', () => {
    const { config } = readEnvironment(orchestratorVariables, { SKILL_RATE_LIMITS: 'mail.send=100/1m, sms = 5/s,' })
    expect(config?.skillRateLimits).toEqual({
      'mail.send': { count: 100, perMs: 60_000 },
      sms: { count: 5, perMs: 1000 },
    })
  })

  it('cuts the slashes off the prefix of the API', () => {
    const read = (CLIENT_API_PREFIX: string) => readEnvironment(orchestratorVariables, { CLIENT_API_PREFIX }).config
    expect(read('/jobs/api/')?.clientApiPrefix).toBe('jobs/api')
    expect(read('/')?.clientApiPrefix).toBe('')
  })

  it('reads DATABASE_URL under its other name', () => {
    const env = { POSTGRES_DSN: 'postgresql://u:p@h/d' }
    expect(readEnvironment(orchestratorVariables, env).config?.databaseUrl).toBe('postgresql://u:p@h/d')
  })

  it('takes an empty value for not set, as compose files write it', () => {
    const { config } = readEnvironment(orchestratorVariables, { API_PORT: '', TZ: '', REDIS_HOST: '' })
    expect(config).toMatchObject({ apiPort: 8080, tz: 'UTC' })
  })

  it('reads an older name when the name itself is not set, and blames the one that was written', () => {
    const renamed = {
      size: { name: 'SIZE', default: '1', description: 'A size.', schema: z.string().regex(/^\d$/), aliases: ['OLD'] },
    } satisfies VariableTable
    expect(readEnvironment(renamed, { OLD: '2' }).config?.size).toBe('2')
    expect(readEnvironment(renamed, { OLD: '2', SIZE: '3' }).config?.size).toBe('3')
    expect(readEnvironment(renamed, { OLD: 'x' }).faults?.[0]?.what).toContain('OLD="x"')
  })
})

describe('secrets', () => {
  it('are never quoted in a fault', () => {
    const env = { CLIENT_TOKEN: 'hush hush', DATABASE_URL: 'mysql://root:hush@h/d' }
    const { faults = [] } = readEnvironment(table, env)
    expect(faults).toHaveLength(2)
    expect(formatFaults(faults)).not.toContain('hush')
  })

  it.each(['change-this-token', 'CHANGE-THIS-please'])('%s is refused in production', (value) => {
    expect(blamed({ CLIENT_TOKEN: value })).toEqual(['CLIENT_TOKEN'])
    expect(blamed({ DATABASE_URL: `postgresql://u:${value}@h/d` })).toEqual(['DATABASE_URL'])
  })

  it('may be placeholders in development', () => {
    const env = { TUTTI_ENV: 'development', CLIENT_TOKEN: 'change-this-token' }
    expect(readEnvironment(orchestratorVariables, env).config?.clientToken).toBe('change-this-token')
  })

  it('are warned about when the documentation prints them', () => {
    const warned = (env: Record<string, string>) => readEnvironment(table, env).warnings?.map((w) => w.variable)
    expect(warned({})).toEqual(['CLIENT_TOKEN', 'GLOBAL_WORKER_TOKEN'])
    expect(warned({ CLIENT_TOKEN: 'secure-orchestrator-token', GLOBAL_WORKER_TOKEN: 'own' })).toEqual(['CLIENT_TOKEN'])
    expect(warned({ TUTTI_ENV: 'development' })).toEqual([])
  })

  it('are switched off by an empty value, instead of falling back to the printed one', () => {
    const { config } = readEnvironment(orchestratorVariables, { CLIENT_TOKEN: '', GLOBAL_WORKER_TOKEN: '' })
    expect(config).toMatchObject({ clientToken: '', globalWorkerToken: '' })
  })

  it('that are required may not be empty', () => {
    expect(readEnvironment(managerVariables, { ...manager, INTERNAL_API_TOKEN: '' }).faults?.[0]?.what).toBe(
      'INTERNAL_API_TOKEN is not set',
    )
  })

  it('of the workbench are refused all at once: the placeholder, the short one, the missing one, the door without a lock', () => {
    const env = {
      DATABASE_URL: 'postgresql://postgres:change-this-password@h/d',
      SECRET_KEY: 'x'.repeat(31),
      INTERNAL_API_TOKEN: 'change-this-internal-token-0123456789',
    }
    expect(refused(() => loadBackend(env))).toEqual([
      'DATABASE_URL',
      'INTERNAL_API_TOKEN',
      'SECRET_KEY',
      'CLIENT_TOKEN',
    ])
    const closed = { DATABASE_URL: 'postgresql://h/d', INTERNAL_API_TOKEN: 'x'.repeat(15), SECRET_KEY: '' }
    expect(refused(() => loadBackend({ ...closed, CLIENT_TOKEN: 'y'.repeat(15) }))).toEqual([
      'INTERNAL_API_TOKEN',
      'CLIENT_TOKEN',
      'SECRET_KEY',
    ])
    expect(refused(() => loadManager({ ...manager, INTERNAL_API_TOKEN: 'x'.repeat(15) }))).toEqual([
      'INTERNAL_API_TOKEN',
    ])
    expect(refused(() => loadManager({ ...manager, INTERNAL_API_TOKEN: 'x'.repeat(16) }))).toEqual([])
  })

  it('may be short in development, and never empty', () => {
    const mine = { TUTTI_ENV: 'development', HOST: '::1', DATABASE_URL: 'postgresql://h/d', INTERNAL_API_TOKEN: 'i' }
    expect(refused(() => loadBackend({ ...mine, SECRET_KEY: 'change-this-secret-key' }))).toEqual([])
    expect(refused(() => loadBackend({ ...mine, SECRET_KEY: '' }))).toEqual(['SECRET_KEY'])
  })

  it('are not asked for while nobody else can reach the port', () => {
    const env = { DATABASE_URL: 'postgresql://h/d', INTERNAL_API_TOKEN: 'i'.repeat(32), SECRET_KEY: 's'.repeat(32) }
    for (const HOST of ['127.0.0.1', '127.8.8.8', 'localhost', '::1'])
      expect(refused(() => loadBackend({ ...env, HOST }))).toEqual([])
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org'])
      expect(
        refused(() => loadBackend({ ...env, HOST })),
        HOST,
      ).toEqual(['CLIENT_TOKEN'])
  })
})

describe('faults on their way out', () => {
  it('print one line each, with the place and the remedy', () => {
    const faults = [
      { source: 'clients.toml', line: 3, column: 1, what: 'is wrong', remedy: 'Mend it.' },
      { source: 'environment', what: 'A is not set', remedy: 'Set it.' },
    ]
    expect(formatFaults(faults)).toBe('clients.toml:3:1  is wrong  → Mend it.\nenvironment  A is not set  → Set it.')
  })

  it('travel in one ConfigError with the exit code', () => {
    const load = () => loadEnvironment(table, { API_PORT: 'x', TZ: 'x/y' })
    expect(load).toThrow(ConfigError)
    try {
      load()
    } catch (error) {
      expect(error).toMatchObject({ exitCode: 2, faults: [{ variable: 'API_PORT' }, { variable: 'TZ' }] })
      expect(String(error)).toContain('API_PORT="x"')
    }
  })
})

describe('what the executor manager warns about', () => {
  const warned = (env: Record<string, string>) => loadManager({ ...manager, ...env }).warnings.map((w) => w.variable)

  it('a missing key, unless either one is set', () => {
    expect(warned({})).toEqual(['ANTHROPIC_AUTH_TOKEN'])
    expect(warned({ ANTHROPIC_API_KEY: 'k' })).toEqual([])
    expect(warned({ ANTHROPIC_AUTH_TOKEN: 'k' })).toEqual([])
  })

  it('agents without a sandbox in production', () => {
    expect(warned({ ANTHROPIC_API_KEY: 'k', SANDBOX: 'none' })).toEqual(['SANDBOX'])
    expect(warned({ ANTHROPIC_API_KEY: 'k', SANDBOX: 'none', TUTTI_ENV: 'development' })).toEqual([])
  })
})
