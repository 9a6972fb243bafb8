/** `npm run simulate -- --seeds N [--seed X] [--store S]`: runs seeds in their order; a failing one says how to replay it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { startBuiltInPostgres } from '../postgres/built-in.ts'
import { startBuiltInRedis } from '../redis/built-in.ts'
import { postgresStage } from './postgres-stage.ts'
import { redisStage } from './redis-stage.ts'
import { type SimulationResult, simulate } from './simulate.ts'
import { memoryStage, type OpenStage } from './stage.ts'

interface Theatre {
  open: OpenStage
  /** How many seeds are run if nothing is said. */
  seeds: number
  /** How many run side by side: where time can't be hurried, most of it is waiting. */
  atOnce: number
  close(): Promise<void>
}

const theatres: Record<string, () => Promise<Theatre>> = {
  memory: async () => ({ open: memoryStage, seeds: 500, atOnce: 1, close: async () => {} }),
  /** On the server at DATABASE_URL, in databases of its own; without one, on a built-in server that is removed afterwards. */
  postgres: async () => {
    if (process.env.DATABASE_URL)
      return { open: postgresStage(process.env.DATABASE_URL), seeds: 10, atOnce: 1, close: async () => {} }
    const folder = await mkdtemp(`${tmpdir()}/tutti-simulate-`)
    const server = await startBuiltInPostgres({ dataDir: folder, durable: false })
    return {
      open: postgresStage(server.connectionString),
      seeds: 10,
      atOnce: 1,
      close: async () => {
        await server.stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
  /** On the server at REDIS_URL, under prefixes of its own; without one, on a server that is removed afterwards. */
  redis: async () => {
    const common = { seeds: 40, atOnce: 40 }
    if (process.env.REDIS_URL)
      return { ...common, open: redisStage({ url: process.env.REDIS_URL }), close: async () => {} }
    const folder = await mkdtemp(`${tmpdir()}/tutti-simulate-`)
    const server = await startBuiltInRedis({ dataDir: folder, durable: false })
    const path = decodeURI(new URL(server.url).pathname)
    return {
      ...common,
      open: redisStage({ socket: { path, tls: false } }),
      close: async () => {
        await server.stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}

const { values } = parseArgs({
  options: { seeds: { type: 'string' }, seed: { type: 'string' }, store: { type: 'string', default: 'memory' } },
})
const begin = theatres[values.store]
if (!begin) {
  console.error(`--store ${values.store}: there are ${Object.keys(theatres).join(', ')}`)
  process.exit(2)
}
const theatre = await begin()
const first = Number(values.seed ?? 1)
const count = values.seed === undefined ? Number(values.seeds ?? theatre.seeds) : 1

const run = async (): Promise<boolean> => {
  if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
    console.error('--seeds and --seed take whole numbers')
    process.exitCode = 2
    return false
  }
  const totals = { jobs: 0, events: 0, crashes: 0, purged: 0, notPickedUp: 0, mostOfKey: 0, virtualMs: 0 }
  const ends: Record<string, number> = {}
  const add = (result: SimulationResult): void => {
    totals.jobs += result.jobs
    totals.events += result.events
    totals.crashes += result.crashes
    totals.purged += result.purged
    totals.notPickedUp += result.notPickedUp
    totals.mostOfKey = Math.max(totals.mostOfKey, result.mostOfKey)
    totals.virtualMs += result.virtualMs
    for (const [status, n] of Object.entries(result.ends)) ends[status] = (ends[status] ?? 0) + n
  }
  const tell = (seed: number, error: unknown): void => {
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}`)
    console.error(
      values.store === 'memory'
        ? `replay it with: npm run simulate -- --seed ${seed}`
        : `a real server has a course of its own: another run of the seed may go another way`,
    )
    process.exitCode = 1
  }
  let seed = first
  let failed = false
  const hand = async (): Promise<void> => {
    while (!failed && seed < first + count) {
      const mine = seed
      seed += 1
      try {
        add(await simulate(mine, theatre.open))
      } catch (error) {
        failed = true
        tell(mine, error)
      }
    }
  }
  await Promise.all(Array.from({ length: theatre.atOnce }, hand))
  if (failed) return false
  const endings = Object.entries(ends)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ')
  console.log(
    `${count} seeds held: ${totals.jobs} jobs (${endings}), ${totals.events} log lines, ${totals.crashes} crashed instances, ` +
      `${totals.purged} jobs purged meanwhile, ${totals.notPickedUp} tasks not picked up in time, up to ${totals.mostOfKey} of a key at a time, ` +
      `${(totals.virtualMs / 3_600_000).toFixed(1)} hours of simulated time`,
  )
  return true
}
await run()
await theatre.close()
// Those who still sleep in the simulation would keep the process waiting.
process.exit()
