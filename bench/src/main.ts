/** `npm run bench -- [NAME …] [--quick]`: measures, prints a table, and keeps the figures under bench/results/. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { agent } from './agent.ts'
import { docker } from './docker.ts'
import { embedded } from './embedded.ts'
import { events } from './events.ts'
import { http } from './http.ts'
import { type Figure, table } from './measure.ts'
import { opencode } from './opencode.ts'
import { relay } from './relay.ts'
import { sandbox } from './sandbox.ts'
import { sessions } from './sessions.ts'
import { snapshot } from './snapshot.ts'
import { up } from './stack.ts'

const benchmarks: Record<string, (quick: boolean) => Promise<Figure[]>> = {
  embedded,
  http,
  sandbox,
  docker,
  relay,
  events,
  sessions,
  snapshot,
  agent,
  opencode,
  up,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
})
const unknown = positionals.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}

/** Needs a Docker Engine of its own: only when it is named. */
const onDemand = new Set(['docker'])

const names = positionals.length > 0 ? positionals : Object.keys(benchmarks).filter((name) => !onDemand.has(name))
const figures: Figure[] = []
for (const name of names) {
  console.error(`measuring ${name} …`)
  figures.push(...((await benchmarks[name]?.(values.quick)) ?? []))
}
console.log(table(figures))

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memory_bytes: totalmem(),
  kernel: release(),
  node: process.version,
}
const results = fileURLToPath(new URL('../results/', import.meta.url))
await mkdir(results, { recursive: true })
const file = `${results}${new Date().toISOString().replaceAll(':', '-')}.json`
await writeFile(
  file,
  `${JSON.stringify({ at: new Date().toISOString(), quick: values.quick, machine, figures }, null, 2)}\n`,
)
console.log(`\nkept in ${file}`)
