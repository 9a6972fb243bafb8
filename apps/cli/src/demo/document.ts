/**
 * `tutti demo --json`: stdout belongs to the one document. Servers log to stdout, and so may whatever they use; so the demo
 * runs in a process of its own whose stdout is our stderr, and hands the document over.
 */
import { spawn } from 'node:child_process'
import { tuttiProgram } from '../repository.ts'
import { listenForStop } from '../stop-signals.ts'
import type { DemoSummary } from './summary.ts'

const mark = 'TUTTI_DEMO_HANDS_OVER'

/** In the process that runs the demo for another: gives it the summary. Undefined everywhere else. */
export const handOver =
  process.env[mark] && process.send
    ? (summary: DemoSummary): void => {
        process.send?.(summary)
      }
    : undefined

/** @returns the exit code, when that process and all that it started have ended */
export const printDocument = async (args: string[]): Promise<number> => {
  const stop = listenForStop()
  const child = spawn(process.execPath, [tuttiProgram, ...args], {
    env: { ...process.env, [mark]: '1' },
    stdio: ['ignore', 2, 2, 'ipc'],
    // Ctrl+C in a terminal goes to a whole process group; it is passed on instead.
    detached: true,
  })
  let summary: unknown
  child.on('message', (message) => {
    summary = message
  })
  stop.signal.addEventListener('abort', () => child.kill('SIGTERM'))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === 0 && summary !== undefined) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`)
  return code ?? 1
}
