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
    const now = await exactClock(server)
    return {
      store: { ...store, now },
      world: createPacedWorld({ now, pace: 1 }),
      exact: false,
      close: async () => {
        await store.close()
        await removeKeys(server, `{${prefix}}*`)
      },
    }
  }

/**
 * Forty worlds in one process keep each other waiting, so the Store's own estimate may lag by more than the audit allows. The quickest of
 * some answers is what counts here.
 */
const exactClock = async (server: RedisAddress): Promise<() => number> => {
  const client = createClient({ ...server })
  client.on('error', () => {})
  await client.connect()
  let best = { took: Number.POSITIVE_INFINITY, offset: 0 }
  for (let tries = 0; tries < 20; tries += 1) {
    const asked = performance.now()
    const [seconds, micros] = (await client.sendCommand(['TIME'])) as [string, string]
    const took = performance.now() - asked
    const offset = Number(seconds) * 1_000 + Number(micros) / 1_000 - (asked + took)
    if (took < best.took) best = { took, offset }
  }
  client.destroy()
  return () => Math.floor(performance.now() + best.offset)
}

const removeKeys = async (server: RedisAddress, pattern: string): Promise<void> => {
  const client = createClient({ ...server })
  client.on('error', () => {})
  await client.connect()
  for await (const keys of client.scanIterator({ MATCH: pattern, COUNT: 1_000 }))
    if (keys.length > 0) await client.unlink(keys)
  client.destroy()
}
