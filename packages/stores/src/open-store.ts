/** The Store that a configuration chose: for every process that opens one, so that all of them end up at the same. */
import type { Store } from '@tutti/engine'
import { createMemoryStore } from './memory/memory-store.ts'
import { createPostgresStore, type PostgresStoreOptions } from './postgres/postgres-store.ts'
import type { RedisAddress, RedisServer } from './redis/connection.ts'

export interface RedisPlace {
  /** Path of a Unix socket. Empty: host and port count. */
  socket: string
  host: string
  port: number
  db: number
  /** Empty: none. */
  username: string
  password: string
  tls: boolean
  /** Whether that is one node of a Redis Cluster. */
  cluster: boolean
  /** What all keys begin with. */
  prefix: string
}

export type StoreChoice =
  | { kind: 'memory' }
  | { kind: 'postgres'; connectionString: string }
  | { kind: 'redis'; redis: RedisPlace }

/** Who opens it. */
export interface StoreOwner {
  /** Unique among all that share the store. */
  instance: string
  /** Told what the server's settings put at risk. */
  onWarning: (text: string) => void
  /** Told of lost connections, which come back by themselves. */
  onError: (error: unknown) => void
  /** Shown the pool of a PostgreSQL before it is used: for a log of statements. */
  watch?: NonNullable<PostgresStoreOptions['watch']>
}

/** The server can't be reached, or does not let us in; its message says which, and what to check. Its cause tells programs: see `isStoreAway`. */
export class StoreRefusedError extends Error {
  override readonly name = 'StoreRefusedError'
}

/**
 * @throws StoreRefusedError when the server can't be used at the start: a wrong address looks the same as one that is down;
 * SchemaVersionError
 */
export const openStore = async (choice: StoreChoice, owner: StoreOwner): Promise<Store> => {
  const { instance, onWarning, onError, watch } = owner
  switch (choice.kind) {
    case 'memory':
      return createMemoryStore()
    case 'postgres':
      return createPostgresStore({
        connectionString: choice.connectionString,
        onError,
        ...(watch ? { watch } : {}),
      }).catch((error: Error) => {
        if (error.name === 'SchemaVersionError') throw error
        throw new StoreRefusedError(
          `The PostgreSQL of DATABASE_URL can't be used: ${reasonOf(error)}. Start it, or correct DATABASE_URL.`,
          { cause: error },
        )
      })
    case 'redis': {
      // Loaded where it is used: its client is a third of all modules of a server, and a fifth of the processor's time of a start (120 of 600 ms).
      const { createRedisStore } = await import('./redis/redis-store.ts')
      return createRedisStore({
        ...serverAt(choice.redis),
        instance,
        prefix: choice.redis.prefix,
        onWarning,
        onError,
      }).catch((error: Error) => {
        if (error.name === 'SchemaVersionError') throw error
        throw new StoreRefusedError(refusal(choice.redis, error), { cause: error })
      })
    }
  }
}

const serverAt = ({ socket: path, host, port, db, username, password, tls, cluster }: RedisPlace): RedisServer => {
  const socket = path === '' ? (tls ? { host, port, tls } : { host, port }) : { path, tls: false as const }
  const address: RedisAddress = {
    socket,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  }
  return cluster ? { cluster: [address] } : { server: { ...address, database: db } }
}

const refusal = ({ socket, host, port }: RedisPlace, error: Error): string =>
  `Redis at ${socket || `${host}:${port}`} can't be used: ${reasonOf(error)}. Start it, or correct REDIS_HOST, REDIS_PORT or REDIS_URL and the credentials.`

/** Several addresses that were tried in vain have no message of their own. */
const reasonOf = (error: Error & { code?: unknown }): string => error.message || String(error.code ?? error.name)
