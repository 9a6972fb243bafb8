import type { Store, Wakeup } from '@tutti/engine'
import { afterAll, beforeAll } from 'vitest'
import { storeConformance } from '../src/conformance/index.ts'
import { createRedisStore } from '../src/redis/redis-store.ts'
import { type TestRedis, testRedis } from '../src/testing/redis.ts'

let redis: TestRedis
let stores: [Store, Store]

beforeAll(async () => {
  redis = await testRedis()
  const open = (instance: string) => createRedisStore({ server: redis.address, instance })
  stores = [await open('first'), await open('second')]
})

afterAll(async () => {
  await Promise.all((stores ?? []).map((store) => store.close()))
  await redis?.stop()
})

/** News that is still on its way belongs to the test before: waits until both clients have heard everything. */
const settleNews = async (): Promise<void> => {
  const marker = crypto.randomUUID()
  const heard = stores.map(
    (store) =>
      new Promise<void>((resolve) => {
        const stop = store.subscribe((news: Wakeup) => {
          if (!news.jobs?.includes(marker)) return
          stop()
          resolve()
        })
      }),
  )
  await redis.command('PUBLISH', '{tutti}:news', JSON.stringify({ jobs: [marker] }))
  await Promise.all(heard)
}

storeConformance('redis', async () => ({
  store: stores[0],
  second: async () => stores[1],
  close: async () => {
    await settleNews()
    await redis.command('FLUSHALL')
  },
}))
