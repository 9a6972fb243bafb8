/**
 * What several variables say together: which store, which archive, which object storage, which certificates. Each takes the variables
 * that could be read, so that its faults come together with those of the others.
 */
import type { Fault } from '../../fault.ts'
import { sqlitePath } from '../../variables/schemas.ts'
import type { OrchestratorConfig } from '../orchestrator.ts'
import { readTls, type TlsFiles } from './tls.ts'

export interface RedisSettings {
  host: string
  port: number
  db: number
  /** Empty: none. */
  username: string
  password: string
  tls: boolean
  cluster: boolean
  /** What all keys begin with. */
  prefix: string
}

export type StorageChoice =
  | { kind: 'memory' }
  | { kind: 'postgres'; connectionString: string }
  | { kind: 'redis'; redis: RedisSettings }

export type HistoryChoice =
  | { kind: 'sqlite' /** Absolute. */; path: string }
  | { kind: 'postgres'; connectionString: string }

export interface S3Settings {
  endpoint: string
  accessKey: string
  secretKey: string
  bucket: string
  region: string
  maxConcurrency: number
}

export interface OrchestratorChoices {
  /** `null` only where the caller brings a store of its own. */
  storage: StorageChoice | null
  /** `null`: no archive. */
  history: HistoryChoice | null
  /** `null`: no object storage. */
  s3: S3Settings | null
  /** `null`: plain HTTP. */
  tls: TlsFiles | null
}

type Known = Partial<OrchestratorConfig>

/** @param ownStore whether the process has to open a store itself */
export function orchestratorChoices(
  known: Known,
  ownStore: boolean,
): { choices: OrchestratorChoices; faults: Fault[] } {
  const faults: Fault[] = []
  const choices = {
    storage: ownStore ? storageOf(known, faults) : null,
    history: historyOf(known),
    s3: s3Of(known, faults),
    tls: readTls(known, faults),
  }
  return { choices, faults }
}

function storageOf(known: Known, faults: Fault[]): StorageChoice | null {
  const { storage, databaseUrl = '', redisHost = '', redisUrl = '' } = known
  const redisIsSet = redisHost !== '' || redisUrl !== ''
  if (storage === 'memory') return { kind: 'memory' }
  if (storage === 'redis' || (storage === '' && redisIsSet)) {
    if (!redisIsSet)
      faults.push(fault('STORAGE', 'STORAGE=redis, but REDIS_HOST is not set', 'Set REDIS_HOST or REDIS_URL.'))
    const redis = redisOf(known, faults)
    return redisIsSet && redis ? { kind: 'redis', redis } : null
  }
  if (databaseUrl !== '') return { kind: 'postgres', connectionString: databaseUrl }
  // A variable that could not be read is told already.
  if (
    storage === undefined ||
    known.databaseUrl === undefined ||
    known.redisHost === undefined ||
    known.redisUrl === undefined
  )
    return null
  faults.push(
    storage === 'postgres'
      ? fault('STORAGE', 'STORAGE=postgres, but DATABASE_URL is not set', 'Set DATABASE_URL.')
      : fault(
          'DATABASE_URL',
          'neither REDIS_HOST nor DATABASE_URL is set, and there is nowhere to keep jobs',
          'Set one of them, or start with `tutti up`, which brings a PostgreSQL of its own, or set STORAGE=memory for jobs that a restart may lose.',
        ),
  )
  return null
}

function redisOf(known: Known, faults: Fault[]): RedisSettings | null {
  const {
    redisHost = '',
    redisUrl = '',
    redisPort,
    redisDb,
    redisUsername,
    redisPassword,
    redisTls,
    redisCluster,
    redisPrefix,
  } = known
  if (redisHost !== '' && redisUrl !== '')
    faults.push(fault('REDIS_URL', 'REDIS_URL and REDIS_HOST are both set, and may disagree', 'Unset one of them.'))
  if (redisPort === undefined || redisDb === undefined || redisUsername === undefined || redisPassword === undefined)
    return null
  if (redisTls === undefined || redisCluster === undefined || redisPrefix === undefined) return null
  const url = redisUrl === '' ? null : new URL(redisUrl)
  const place = url
    ? {
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port === '' ? 6379 : Number(url.port),
        db: Number(url.pathname.slice(1)),
        username: decodeURIComponent(url.username),
        password: decodeURIComponent(url.password),
        tls: url.protocol === 'rediss:',
      }
    : { host: redisHost, port: redisPort, db: redisDb, username: redisUsername, password: redisPassword, tls: redisTls }
  if (redisCluster && place.db !== 0)
    faults.push(
      fault(
        'REDIS_DB',
        `a Redis Cluster has no database ${place.db}`,
        'Use database 0, and REDIS_PREFIX to keep apart.',
      ),
    )
  return { ...place, cluster: redisCluster, prefix: redisPrefix }
}

function historyOf({ historyDatabaseUri: uri = '' }: Known): HistoryChoice | null {
  if (uri === '') return null
  const path = uri.startsWith('sqlite:') ? sqlitePath(uri) : null
  return path === null ? { kind: 'postgres', connectionString: uri } : { kind: 'sqlite', path }
}

/** All three or none: half of them means that somebody believes payloads are kept there. */
function s3Of(known: Known, faults: Fault[]): S3Settings | null {
  const { s3EndpointUrl, s3AccessKey, s3SecretKey, s3DefaultBucket, s3Region, s3MaxConcurrency } = known
  if (s3EndpointUrl === undefined || s3AccessKey === undefined || s3SecretKey === undefined) return null
  const parts = Object.entries({
    S3_ENDPOINT_URL: s3EndpointUrl,
    S3_ACCESS_KEY: s3AccessKey,
    S3_SECRET_KEY: s3SecretKey,
  })
  const set = parts.filter(([, value]) => value !== '').map(([name]) => name)
  const missing = parts.filter(([, value]) => value === '').map(([name]) => name)
  if (set.length === 0) return null
  if (missing.length > 0) {
    const what = `${set.join(' and ')} ${set.length > 1 ? 'are' : 'is'} set, and ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing`
    faults.push(fault(missing[0] ?? '', what, 'Set all three to use S3, or none.'))
    return null
  }
  if (s3DefaultBucket === undefined || s3Region === undefined || s3MaxConcurrency === undefined) return null
  return {
    endpoint: s3EndpointUrl,
    accessKey: s3AccessKey,
    secretKey: s3SecretKey,
    bucket: s3DefaultBucket,
    region: s3Region,
    maxConcurrency: s3MaxConcurrency,
  }
}

function fault(variable: string, what: string, remedy: string): Fault {
  return { source: 'environment', variable, what, remedy }
}
