/** The Store that the configuration chose. */
import type { RedisSettings, StorageChoice } from '@tutti/config'
import type { Store } from '@tutti/engine'
import {
  createMemoryStore,
  createPostgresStore,
  createRedisStore,
  type RedisAddress,
  type RedisServer,
} from '@tutti/stores'
import type { Logger } from '@tutti/telemetry'
import { unusable } from './unusable.ts'

/** @throws ConfigError when the server can't be reached at the start: a wrong address looks the same */
export const openStore = async (choice: StorageChoice, instance: string, log: Logger): Promise<Store> => {
  switch (choice.kind) {
    case 'memory':
      return createMemoryStore()
    case 'postgres':
      return createPostgresStore({
        connectionString: choice.connectionString,
        onError: (error) => log.warn({ err: error }, 'a connection to the database was lost'),
      }).catch((error: unknown) => {
        throw unusable(
          'DATABASE_URL',
          "the PostgreSQL of DATABASE_URL can't be used",
          error,
          'Start it, or correct DATABASE_URL.',
        )
      })
    case 'redis':
      return createRedisStore({
        ...redisServer(choice.redis),
        instance,
        prefix: choice.redis.prefix,
        onWarning: (text) => log.warn(text),
        onError: (error) => log.warn({ err: error }, 'a connection to Redis was lost'),
      }).catch((error: unknown) => {
        const { host, port } = choice.redis
        throw unusable(
          'REDIS_HOST',
          `Redis at ${host}:${port} can't be used`,
          error,
          'Start it, or correct REDIS_HOST, REDIS_PORT and the credentials.',
        )
      })
  }
}

const redisServer = ({ host, port, db, username, password, tls, cluster }: RedisSettings): RedisServer => {
  const address: RedisAddress = {
    socket: tls ? { host, port, tls } : { host, port },
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  }
  return cluster ? { cluster: [address] } : { server: { ...address, database: db } }
}
