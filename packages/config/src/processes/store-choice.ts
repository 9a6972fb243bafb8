/** Which store the variables choose together. Orchestrator and backend read it alike: they must end up at the same one. */
import type { Fault } from '../fault.ts'
import type { ConfigOf } from '../variables/variable.ts'
import type { storageVariables } from './storage.ts'

export interface RedisSettings {
  /** Path of a Unix socket. Empty: host and port count. */
  socket: string
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

type Known = Partial<ConfigOf<typeof storageVariables>>

/** Adds what is wrong to `faults`. @returns null when there is a fault, told here or by whoever read the variables */
export function storageOf(known: Known, faults: Fault[]): StorageChoice | null {
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
  const place =
    redisUrl === ''
      ? {
          ...{ socket: '', host: redisHost, port: redisPort, db: redisDb },
          ...{ username: redisUsername, password: redisPassword, tls: redisTls },
        }
      : placeOf(new URL(redisUrl))
  if (redisCluster && place.socket !== '')
    faults.push(fault('REDIS_CLUSTER', 'a Redis Cluster can’t be reached through a socket', 'Use redis:// and a node.'))
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

type Place = Omit<RedisSettings, 'cluster' | 'prefix'>

/** A socket's address has no place for a user before the path, so all but the path stands behind it. */
function placeOf(url: URL): Place {
  if (url.protocol === 'unix:')
    return {
      ...{ socket: decodeURIComponent(url.pathname), host: '', port: 0, tls: false },
      db: Number(url.searchParams.get('db') ?? 0),
      username: url.searchParams.get('username') ?? '',
      password: url.searchParams.get('password') ?? '',
    }
  return {
    socket: '',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(url.pathname.slice(1)),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    tls: url.protocol === 'rediss:',
  }
}

function fault(variable: string, what: string, remedy: string): Fault {
  return { source: 'environment', variable, what, remedy }
}
