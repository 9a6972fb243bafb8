/**
 * A simulation on a real Redis, under a prefix of its own. The scripts go by the server's clock, which nothing can hurry: it runs in
 * real time, mostly waits, and so many seeds can run side by side.
 */
import { createClient } from 'redis'
import type { RedisAddress } from '../redis/connection.ts'
import { createRedisStore } from '../redis/redis-store.ts'
import type { OpenStage } from './stage.ts'
import { createPacedWorld } from './world.ts'

export const redisStage =
  (server: RedisAddress): OpenStage =>
  async () => {
    const prefix = `simulation-${crypto.randomUUID()}`
    const store = await createRedisStore({ server, instance: 'simulation', prefix })
    return {
      store,
      world: createPacedWorld({ now: store.now, pace: 1 }),
      exact: false,
      close: async () => {
        await store.close()
        await removeKeys(server, `{${prefix}}*`)
      },
    }
  }

const removeKeys = async (server: RedisAddress, pattern: string): Promise<void> => {
  const client = createClient({ ...server })
  client.on('error', () => {})
  await client.connect()
  for await (const keys of client.scanIterator({ MATCH: pattern, COUNT: 1_000 }))
    if (keys.length > 0) await client.unlink(keys)
  client.destroy()
}
