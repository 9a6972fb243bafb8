import { hostname as machine } from 'node:os'
import { resolve } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type BackendConfig,
  backendVariables,
  describeVariables,
  type ManagerConfig,
  managerVariables,
  type OrchestratorConfig,
  orchestratorVariables,
  readEnvironment,
  type VariableTable,
} from '../src/index.ts'
import { backendDocument, hostname, managerDocument, orchestratorDocument, required } from './documents.ts'

const secrets = {
  INTERNAL_API_TOKEN: 'internal-token-of-tests',
  SECRET_KEY: 'key-of-tests-'.repeat(3),
  DATABASE_URL: 'postgresql://u:p@db/tutti',
}
const places = { BACKEND_URL: 'http://backend:8000/', WORKSPACE_ROOT: '/srv/workspaces' }

describe.each([
  ['orchestrator', orchestratorVariables, orchestratorDocument],
  ['backend', backendVariables, backendDocument],
  ['executor manager', managerVariables, managerDocument],
] as const)('the %s table', (_process, table: VariableTable, document) => {
  const rows = new Map(describeVariables(table).map((row) => [row.name, row]))

  it.each(Object.entries(document))('keeps %s as documented', (name, value) => {
    const row = rows.get(name)
    expect(row?.required).toBe(value === required)
    if (value !== required) expect(row?.default).toBe(value === hostname ? 'hostname' : value)
  })

  it('names every key after its variable', () => {
    for (const { name, key } of rows.values()) {
      const camel = name.toLowerCase().replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase())
      expect(key).toBe(camel)
    }
  })

  it('describes every variable for the reference', () => {
    for (const row of rows.values()) {
      expect(row.description, row.name).toMatch(/\.$/)
      expect(row.accepts, row.name).not.toBe('')
    }
  })

  it('marks whatever holds a secret', () => {
    for (const { name, secret } of rows.values()) {
      expect(secret, name).toBe(/(_TOKEN|_KEY|_KEY_PREVIOUS|_PASSWORD|DATABASE_URL|DATABASE_URI|REDIS_URL)$/.test(name))
    }
  })
})

describe('an environment with nothing but what is required', () => {
  it('gives the orchestrator its defaults', () => {
    const { config } = readEnvironment(orchestratorVariables, {})
    expect(config).toEqual({
      tuttiEnv: 'production',
      startWaitSeconds: 300,
      apiHost: '0.0.0.0',
      apiPort: 8080,
      publicUrl: 'http://localhost:8080',
      enableClientApi: true,
      clientApiPrefix: 'api',
      detailedApiResponses: true,
      rateLimitingEnabled: true,
      rateLimitLimit: 6000,
      rateLimitPeriod: 60,
      rateLimitHeartbeatLimit: 600,
      rateLimitPollLimit: 600,
      tlsEnabled: false,
      tlsCertPath: '',
      tlsKeyPath: '',
      tlsCaPath: '',
      tlsRequireClientCert: false,
      storage: '',
      databaseUrl: '',
      redisHost: '',
      redisPort: 6379,
      redisDb: 0,
      redisUsername: '',
      redisPassword: '',
      redisTls: false,
      redisUrl: '',
      redisCluster: false,
      redisPrefix: 'tutti',
      clientToken: 'secure-orchestrator-token',
      globalWorkerToken: 'secure-worker-token',
      clientsConfigPath: '',
      workersConfigPath: '',
      schedulesConfigPath: '',
      reloadWithAnyClient: false,
      workerAuthMode: 'mixed',
      workerSignatures: 'off',
      signingKey: '',
      metricsToken: '',
      webhookAllowPrivate: false,
      blueprintsDir: '',
      instanceId: machine(),
      workerTimeoutSeconds: 300,
      workerPollTimeoutSeconds: 30,
      workerHealthCheckIntervalSeconds: 60,
      jobMaxRetries: 3,
      watcherIntervalSeconds: 20,
      executorMaxConcurrentJobs: 100,
      maxTransitionsPerJob: 100,
      maxJobDepth: 20,
      skillRateLimits: {},
      reputationRewardSuccess: 0.001,
      reputationPenaltyTaskFailure: 0.05,
      reputationPenaltyContractViolation: 0.2,
      reputationMinThreshold: 0.3,
      dispatcherSoftLimit: 3,
      strictEventValidation: true,
      historyDatabaseUri: '',
      historyRetentionDays: 0,
      jobRetentionDays: 0,
      s3EndpointUrl: '',
      s3AccessKey: '',
      s3SecretKey: '',
      s3DefaultBucket: 'avtomatika-payloads',
      s3Region: 'us-east-1',
      s3MaxConcurrency: 100,
      s3AutoCleanup: true,
      s3SharedPrefixes: [],
      payloadOffloadBytes: 262144,
      taskFilesDir: '/tmp/avtomatika-payloads',
      otelExporterOtlpEndpoint: '',
      tz: 'UTC',
      logLevel: 'INFO',
      logFormat: 'json',
      logToFile: false,
      logDir: resolve('logs'),
      logBackupCount: 14,
      logSql: false,
      uvicornAccessLog: false,
    })
  })

  it('gives the backend its defaults', () => {
    const { config } = readEnvironment(backendVariables, secrets)
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: 8000,
      databaseUrl: 'postgresql://u:p@db/tutti',
      singleUserId: 'default',
      maxUploadSizeMb: 100,
      s3PresignExpires: 300,
      backendPublicUrl: 'http://localhost:8000',
      logLevel: 'INFO',
    })
  })

  it('gives the executor manager its defaults', () => {
    const { config } = readEnvironment(managerVariables, { ...secrets, ...places })
    expect(config).toMatchObject({
      managerHost: '127.0.0.1',
      managerPort: 8001,
      backendUrl: 'http://backend:8000',
      workerId: machine(),
      workspaceRoot: '/srv/workspaces',
      anthropicApiKey: '',
      maxConcurrentTasks: 5,
      taskPullEnabled: true,
      taskPullIntervalSeconds: 2,
      taskClaimLeaseSeconds: 180,
      sandbox: 'bubblewrap',
      dockerHost: 'unix:///var/run/docker.sock',
      executorImage: 'debian:bookworm-slim',
      executorFiles: 'host',
      sandboxMemoryMb: 2048,
      sandboxProcesses: 256,
      sandboxDiskMb: 4096,
      runTimeoutSeconds: 3600,
      stagingRoots: [],
      workspaceIgnoreDotFiles: true,
    })
  })

  it('refuses to start the others, naming everything that is missing', () => {
    const missing = (table: VariableTable) => readEnvironment(table, {}).faults?.map((fault) => fault.variable)
    expect(missing(backendVariables)).toEqual(['DATABASE_URL', 'INTERNAL_API_TOKEN', 'SECRET_KEY'])
    expect(missing(managerVariables)).toEqual(['BACKEND_URL', 'INTERNAL_API_TOKEN', 'WORKSPACE_ROOT'])
  })
})

describe('defaults that follow another variable', () => {
  it('takes the public address from PORT', () => {
    const { config } = readEnvironment(backendVariables, { ...secrets, PORT: '9000' })
    expect(config?.backendPublicUrl).toBe('http://localhost:9000')
  })

  it('blames PORT alone when the address that follows from it is broken', () => {
    const { faults } = readEnvironment(backendVariables, { ...secrets, PORT: '90000' })
    expect(faults?.map((fault) => fault.variable)).toEqual(['PORT'])
  })

  it('lets DEBUG lower the log level, and LOG_LEVEL win over it', () => {
    expect(readEnvironment(backendVariables, { ...secrets, DEBUG: 'yes' }).config?.logLevel).toBe('DEBUG')
    const both = { ...secrets, DEBUG: 'yes', LOG_LEVEL: 'error' }
    expect(readEnvironment(backendVariables, both).config?.logLevel).toBe('ERROR')
  })
})

it('types the parsed objects from the tables', () => {
  expectTypeOf<OrchestratorConfig['apiPort']>().toEqualTypeOf<number>()
  expectTypeOf<OrchestratorConfig['storage']>().toEqualTypeOf<'' | 'memory' | 'postgres' | 'redis'>()
  expectTypeOf<BackendConfig['debug']>().toEqualTypeOf<boolean>()
  expectTypeOf<ManagerConfig['stagingRoots']>().toEqualTypeOf<string[]>()
})
