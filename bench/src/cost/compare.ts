/**
 * `node bench/src/cost/compare.ts OTHER_TREE [--store postgres] [--rounds 8] [--jobs 3000]`: what a job costs in processor time, in
 * this tree and in another checkout of the project. Both stay up and run their rounds in turns, so that whatever else the machine does
 * falls on both.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Figure, figure, table } from '../measure.ts'
import type { Round } from './tree.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: 'postgres' },
    rounds: { type: 'string', default: '8' },
    jobs: { type: 'string', default: '3000' },
  },
})
const here = fileURLToPath(new URL('../../../', import.meta.url))
const trees = [...positionals, here]

const start = async (root: string): Promise<ChildProcess> => {
  const child = fork(fileURLToPath(new URL('./tree.ts', import.meta.url)), [root, values.store])
  await once(child, 'message')
  return child
}
const round = async (child: ChildProcess): Promise<Round> => {
  child.send(Number(values.jobs))
  const [cost] = await once(child, 'message')
  return cost
}

const children = await Promise.all(trees.map(start))
// The first rounds warm up and are not counted.
for (let n = 0; n < 2; n += 1) for (const child of children) await round(child)
const costs: Round[][] = trees.map(() => [])
for (let n = 0; n < Number(values.rounds); n += 1)
  for (const [at, child] of children.entries()) costs[at]?.push(await round(child))

const figures: Figure[] = (['create', 'finish'] as const).flatMap((phase) =>
  (['engine', 'server'] as const).flatMap((side) =>
    trees.map((tree, at) =>
      figure(
        `${phase}, ${side}: ${tree}`,
        'µs per job',
        (costs[at] ?? []).map((cost) => cost[phase][side]),
      ),
    ),
  ),
)
console.log(table(figures.filter(({ max }) => max > 0)))
for (const child of children) {
  child.send('end')
  await once(child, 'exit')
}
