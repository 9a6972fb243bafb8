/** A Redis server for each test of a file, and the Stores that it opens there. */
import type { Store } from '@tutti/engine'
import { afterEach, beforeEach, vi } from 'vitest'
import type { RedisStoreOptions } from '../src/index.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { type TestRedis, testRedis } from '../src/testing/redis.ts'

export interface RedisStage {
  /** The server of the test that runs. */
  readonly redis: TestRedis
  /** Closed behind the test; a test that has closed its own empties this. */
  opened: Store[]
  open(options?: Partial<Omit<RedisStoreOptions, 'server' | 'cluster'>>): Promise<Store>
  /** How many the server has, but for the one that asks. */
  connections(): Promise<number>
  until(check: () => void | Promise<void>): Promise<void>
}

/** To be called once at the top of a test file: it registers the hooks. */
export const redisPerTest = (): RedisStage => {
  let redis: TestRedis | undefined
  const server = (): TestRedis => {
    if (!redis) throw new Error('only a test has a server')
    return redis
  }
  const stage: RedisStage = {
    get redis() {
      return server()
    },
    opened: [],
    open: async (options = {}) => {
      const store = await createRedisStore({ server: server().address, instance: 'here', ...options })
      stage.opened.push(store)
      return store
    },
    connections: async () => {
      const list = String(await server().command('CLIENT', 'LIST'))
      return list.trim().split('\n').length - 1
    },
    until: (check) => vi.waitFor(check, { timeout: 20_000, interval: 20 }),
  }
  beforeEach(async () => {
    // All that was acknowledged is on the disk.
    redis = await testRedis({ settings: { appendonly: 'yes', appendfsync: 'always' } })
    stage.opened = []
  })
  afterEach(async () => {
    await Promise.all(stage.opened.map((store) => store.close()))
    await redis?.stop()
  })
  return stage
}
