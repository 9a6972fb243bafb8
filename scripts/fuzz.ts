/**
 * Hostile requests to backend, manager and orchestrator, for as long as one likes:
 *
 *   npm run fuzz -- [--seed 7] [--count 100000]
 *
 * A failure names its seed; with the same seed and count the same requests are made.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { seed: { type: 'string' }, count: { type: 'string', default: '20000' } } })
const child = spawn('vitest', ['run', 'test/fuzz'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    FUZZ_COUNT: values.count,
    FUZZ_SEED: values.seed ?? String(Math.floor(Math.random() * 1_000_000_000)),
  },
})
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
