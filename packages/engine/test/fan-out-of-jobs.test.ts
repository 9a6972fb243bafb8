/** A fan-out whose branches are jobs, on the stores that servers use: all of them begin in one commit, and join once. */
import { createPostgresStore } from '@tutti/stores'
import { createRedisStore } from '@tutti/stores/redis'
import { testDatabase, testRedis } from '@tutti/stores/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { agentTask, blueprint, createEngine, type Store } from '../src/index.ts'
import { answer, create, registering, take } from './fleet.ts'

const width = 50

const panel = blueprint({ name: 'panel' })
  .state('ask', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel(
      Array.from({ length: width }, (_, at) => agentTask({ prompt: `question ${at}`, attended: true })),
      { into: 'done' },
    ),
  )
  .end('done', ({ results }) => results)

/** In the place of the workbench's own, which needs a database. */
const agentRun = blueprint({ name: 'agent_run' })
  .state('turn', { start: true, to: ['done'] }, ({ input, dispatch }) =>
    dispatch('work', { prompt: input.prompt }, { on: { success: 'done' } }),
  )
  .end('done', ({ last }) => last?.data)

const places: [string, () => Promise<() => Promise<Store>>][] = [
  [
    'PostgreSQL',
    async () => {
      const database = await testDatabase()
      onTestFinished(() => database.drop())
      return () => createPostgresStore({ connectionString: database.connectionString })
    },
  ],
  [
    'Redis',
    async () => {
      const redis = await testRedis()
      onTestFinished(() => redis.stop())
      let opened = 0
      return () => {
        opened += 1
        return createRedisStore({ server: redis.address, instance: `i${opened}` })
      }
    },
  ],
]

test.each(places)(
  'two-instances-begin-and-end-the-jobs-of-one-fan-out-on-%s',
  { timeout: 60_000 },
  async (_, place) => {
    const open = await place()
    const engines = await Promise.all(
      [1, 2].map(async () => {
        const store = await open()
        const engine = createEngine({ store, blueprints: [panel, agentRun], settings: { safetyIntervalMs: 500 } })
        engine.start()
        onTestFinished(async () => {
          await engine.stop()
          await store.close()
        })
        return registering(engine)
      }),
    )
    const [a, b] = engines
    if (!a || !b) throw new Error('two engines were made')
    const { id } = await create(a, 'panel')
    for (let done = 0; done < width; ) {
      const leases = await take(b, { max: width })
      for (const leased of leases)
        await answer(done % 2 === 0 ? a : b, leased, { data: leased.task.params.prompt ?? null })
      done += leases.length
    }
    await vi.waitFor(
      async () => {
        const { status, output } = await a.job(id, null)
        expect([status, output]).toEqual(['finished', Array.from({ length: width }, (_, at) => `question ${at}`)])
      },
      { timeout: 20_000, interval: 50 },
    )
  },
)
