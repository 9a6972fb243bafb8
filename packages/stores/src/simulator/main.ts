/** `npm run simulate -- --seeds N [--seed X]`: runs seeds one after another; a failing one says how to replay it. */
import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    seed: { type: 'string' },
    store: { type: 'string', default: 'memory' },
  },
})

if (values.store !== 'memory') {
  console.error(`--store ${values.store}: the simulator's virtual time needs the memory store; use --store memory`)
  process.exit(2)
}
const first = Number(values.seed ?? 1)
const count = values.seed === undefined ? Number(values.seeds) : 1
if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
  console.error('--seeds and --seed take whole numbers')
  process.exit(2)
}

const totals = { jobs: 0, events: 0, crashes: 0, virtualMs: 0 }
const ends: Record<string, number> = {}
for (let seed = first; seed < first + count; seed += 1) {
  try {
    const result = await simulate(seed)
    totals.jobs += result.jobs
    totals.events += result.events
    totals.crashes += result.crashes
    totals.virtualMs += result.virtualMs
    for (const [status, n] of Object.entries(result.ends)) ends[status] = (ends[status] ?? 0) + n
  } catch (error) {
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : error}`)
    console.error(`replay it with: npm run simulate -- --seed ${seed}`)
    process.exit(1)
  }
}
const endings = Object.entries(ends)
  .map(([status, n]) => `${n} ${status}`)
  .join(', ')
console.log(
  `${count} seeds held: ${totals.jobs} jobs (${endings}), ${totals.events} log lines, ${totals.crashes} crashed instances, ` +
    `${(totals.virtualMs / 3_600_000).toFixed(1)} hours of simulated time`,
)
