/**
 * `npm run chaos -- [--seed N] [--kills N] [--minutes N] [--store s3|folder] [--pause MS] [--pool N] [--only KIND]… [--slowest]`: a thousand kills for a night. Prints what it found, and exits with 1 if something was lost, doubled, reordered or stuck, or if the run has proved nothing.
 */
import { parseArgs } from 'node:util'
import { type ChaosResult, runChaos } from './chaos.ts'
import { faultKinds } from './executioner.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1e6)) },
    kills: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '180' },
    store: { type: 'string', default: 's3' },
    away: { type: 'string', default: '60' },
    users: { type: 'string', default: '5' },
    pause: { type: 'string', default: '2500' },
    // The product's own.
    pool: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true, default: [] },
    slowest: { type: 'boolean', default: false },
  },
})
const numbers = [values.seed, values.kills, values.minutes, values.away, values.users, values.pause].map(Number)
const [seed, kills, minutes, away, users, pause] = numbers as [number, number, number, number, number, number]
const { store } = values
const pool = Number(values.pool)
const only = faultKinds.filter((kind) => values.only.includes(kind))
if (only.length < new Set(values.only).size) {
  console.error(`--only takes one of: ${faultKinds.join(', ')}`)
  process.exit(2)
}
if (
  numbers.some((one) => !(one > 0)) ||
  !(Number.isInteger(pool) && pool >= 0) ||
  (store !== 's3' && store !== 'folder')
) {
  console.error(
    '--seed, --kills, --minutes, --away (seconds), --users, --pause (ms) and --pool take numbers, --store s3 or folder',
  )
  process.exit(2)
}

const counted = (names: readonly string[]): [string, number][] =>
  [...Map.groupBy(names, (name) => name)].map(([name, all]): [string, number] => [name, all.length])

const print = (result: ChaosResult): void => {
  const { strikes, resumed, stretch } = result
  console.log(`seed ${seed}: ${strikes.length} strikes, ${result.sessions} sessions, ${result.jobs} jobs`)
  for (const [kind, count] of counted(strikes.map(({ kind, moment }) => `${kind}, at ${moment}`)).sort())
    console.log(`  ${String(count).padStart(4)} ${kind}`)
  console.log('turns:', result.ends)
  console.log('resumed after a process died (ms):', resumed.process)
  console.log('resumed after a host died (ms):', resumed.host)
  console.table(result.resumedBy)
  console.log('since what was taken away was back (ms):')
  console.table(result.sinceBackBy)
  console.log(`${result.ahead.seen} sandboxes were started ahead, ${result.ahead.bound} of them came to a session`)
  if (values.slowest) for (const line of result.slowest) console.log(line)
  console.log(`at rest ${result.restMs} ms after the last repair; this machine was ${stretch.median.toFixed(2)} times`)
  console.log(`slower than alone (the worst tenth ${stretch.worst.toFixed(2)})`)
  console.log('logged:', Object.fromEntries([...result.said].sort((a, b) => b[1] - a[1])))
  const told = Map.groupBy(result.complaints, (complaint) => /"message":"[^"]*"/.exec(complaint)?.[0] ?? complaint)
  for (const all of [...told.values()].slice(0, 40)) console.log(`complaint (${all.length}):`, all[0]?.slice(0, 1200))
  for (const line of result.evidence) console.log(line)
  for (const violation of result.violations) console.error('VIOLATION:', violation)
}

/** In what a run falls short of a proof: it was never in the middle of things, or nothing was done meanwhile. A busy machine gets less far. */
const shortfalls = ({ strikes, ends, stretch, ahead }: ChaosResult): string[] => {
  const quiet = stretch.median < 2
  const [leastStrikes, leastPlaces, leastTurns] = quiet ? [kills, Math.min(kills, 4), kills / 5] : [kills / 10, 2, 1]
  const places = new Set(strikes.map(({ moment }) => moment)).size
  const turns = Object.entries(ends).filter(([end]) => /completed|finished/.test(end))
  const completed = turns.reduce((sum, [, count]) => sum + count, 0)
  return [
    ...(strikes.length < leastStrikes ? [`${strikes.length} strikes, and ${leastStrikes} were wanted`] : []),
    ...(places < leastPlaces ? [`strikes at ${places} kinds of places, and ${leastPlaces} were wanted`] : []),
    ...(pool > 0 && ahead.bound === 0 ? ['no sandbox that was started ahead came to a session'] : []),
    ...(completed < leastTurns ? [`${completed} turns went well, and ${leastTurns} were wanted`] : []),
  ]
}

const result = await runChaos({
  ...(only.length > 0 ? { only } : {}),
  ...{
    seed,
    kills,
    store,
    users,
    pool,
    longestMs: minutes * 60_000,
    awayMs: away * 1000,
    pauseMs: [pause / 12, pause],
  },
  log: (line) => console.log(line),
})
print(result)
const short = shortfalls(result)
for (const line of short) console.error('TOO LITTLE:', line)
process.exit(result.violations.length + short.length > 0 ? 1 : 0)
