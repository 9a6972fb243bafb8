/**
 * One side of a comparison: opens the engine of the tree it is told over the store it is told, and runs a round of jobs
 * whenever it is asked. `node tree.ts ROOT STORE`, started by `compare.ts`.
 */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuMicros, descendantsOf, processNamed, spent } from './processor-time.ts'

const [root = '', kind = ''] = process.argv.slice(2)
const from = (path: string) => import(join(root, path))
const { blueprint, createEngine } = await from('packages/engine/src/index.ts')
const stores = await from('packages/stores/src/index.ts')

/** What a round cost for each job, in µs of processor time. */
export interface Cost {
  engine: number
  server: number
}
export interface Round {
  create: Cost
  finish: Cost
}

const folder = await mkdtemp(join(tmpdir(), 'tutti-cost-'))
// The database runs under an account of its own, which must be able to pass.
await chmod(folder, 0o711)

const open = async () => {
  if (kind === 'postgres') {
    const { startBuiltInPostgres } = await from('packages/stores/src/postgres/built-in.ts')
    const server = await startBuiltInPostgres({ dataDir: folder })
    const pid = Number((await readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[0])
    const store = await stores.createPostgresStore({ connectionString: server.connectionString })
    return { store, pid, stop: () => server.stop() }
  }
  if (kind === 'redis') {
    const { startBuiltInRedis } = await from('packages/stores/src/redis/built-in.ts')
    const server = await startBuiltInRedis({ dataDir: folder })
    const socket = { path: decodeURI(server.url.replace('unix://', '')), tls: false as const }
    const pid = await processNamed(socket.path)
    const { createRedisStore } = await from('packages/stores/src/redis/redis-store.ts')
    const store = await createRedisStore({ server: { socket }, prefix: 'cost', instance: 'cost' })
    return { store, pid, stop: () => server.stop() }
  }
  return { store: stores.createMemoryStore(), pid: null, stop: async () => {} }
}

const { store, pid, stop } = await open()
const oneTask = blueprint({ name: 'one_task', endpoint: '/one-task' })
  .state('work', { start: true, to: ['done'] }, ({ dispatch }: { dispatch: (...args: unknown[]) => unknown }) =>
    dispatch('bench', { n: 1 }, { on: { success: 'done' } }),
  )
  .end('done')
const engine = createEngine({ store, blueprints: [oneTask] })
engine.start()
const workers = ['a', 'b', 'c', 'd']
for (const id of workers) await engine.register({ id, bootId: null, skills: ['bench'], info: {} })

const batch = 500

const costing = async (jobs: number, work: () => Promise<unknown>): Promise<Cost> => {
  const server = async (): Promise<Map<number, number>> =>
    pid === null ? new Map() : cpuMicros(await descendantsOf(pid))
  const serverBefore = await server()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return { engine: (user + system) / jobs, server: spent(serverBefore, await server()) / jobs }
}

const create = async (jobs: number): Promise<void> => {
  const creating: Promise<unknown>[] = []
  for (let n = 0; n < jobs; n += batch)
    creating.push(
      engine.create(Array.from({ length: batch }, () => ({ blueprint: 'one_task', input: {}, client: 'bench' }))),
    )
  await Promise.all(creating)
}

const finish = async (jobs: number): Promise<void> => {
  let done = 0
  const worker = async (id: string): Promise<void> => {
    for (;;) {
      const leases = await engine.take({ worker: id, skills: ['bench'], max: batch, waitMs: 0 })
      if (leases.length === 0) return
      const answers = await engine.results(
        leases.map((lease: { token: string; task: { jobId: string; id: string; attempt: number } }) => ({
          jobId: lease.task.jobId,
          taskId: lease.task.id,
          worker: id,
          token: lease.token,
          attempt: lease.task.attempt,
          status: 'success',
          data: null,
          error: null,
        })),
      )
      done += answers.filter((answer: { status: string }) => answer.status === 'accepted').length
    }
  }
  await Promise.all(workers.map(worker))
  if (done !== jobs) throw new Error(`${jobs} jobs were created and ${done} finished`)
}

const end = async (): Promise<void> => {
  await engine.stop()
  await store.close()
  await stop()
  await rm(folder, { recursive: true, force: true })
  process.exit(0)
}
// The other side may be one that can't run here: then nobody says so, and the server would stay for ever.
process.on('disconnect', end)
process.on('message', async (message: number | 'end') => {
  if (message === 'end') return end()
  process.send?.({
    create: await costing(message, () => create(message)),
    finish: await costing(message, () => finish(message)),
  } satisfies Round)
})
process.send?.('ready')
