/** The Store on a Redis Cluster: three masters without replicas. All keys lie in one slot, so all goes on as on one server. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Store, Wakeup } from '@tutti/engine'
import { afterAll, beforeAll, vi } from 'vitest'
import { storeConformance } from '../src/conformance/index.ts'
import { createRedisStore } from '../src/index.ts'
import { type TestRedis, testRedis } from '../src/testing/redis.ts'

let nodes: TestRedis[] = []
let stores: Store[] = []

beforeAll(async () => {
  nodes = await Promise.all(
    [1, 2, 3].map(() =>
      testRedis({ port: true, settings: { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf' } }),
    ),
  )
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await promisify(execFile)('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  // Each node learns by gossip that the others agree.
  for (const node of nodes)
    await vi.waitFor(
      async () => {
        if (!String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) throw new Error('not yet')
      },
      { timeout: 20_000, interval: 50 },
    )
  // Each instance is told of one node only, and finds the others.
  const open = (instance: string, at: number) =>
    createRedisStore({ cluster: [{ url: `redis://${addresses[at]}` }], instance, prefix: 'on-a-cluster' })
  stores = [await open('first', 0), await open('second', 1)]
})

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await Promise.all(nodes.map((node) => node.stop()))
})

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
  await nodes[2]?.command('PUBLISH', '{on-a-cluster}:news', JSON.stringify({ jobs: [marker] }))
  await Promise.all(heard)
}

storeConformance('redis on a cluster', async () => {
  const [store, other] = stores
  if (!store || !other) throw new Error('two stores were opened')
  return {
    store,
    second: async () => other,
    close: async () => {
      await settleNews()
      await Promise.all(nodes.map((node) => node.command('FLUSHALL')))
    },
  }
})
