/** Runs the worker that a file defines, as `tutti worker FILE` does. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { WorkerDefinition } from './define.ts'
import { WorkerFileError } from './errors.ts'
import type { WorkerLog } from './log.ts'
import { createWorker } from './worker.ts'

/** Where SIGTERM and SIGINT come from: `process`. */
export interface SignalSource {
  on(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  off(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
}

export interface RunWorkerFileOptions {
  log?: WorkerLog | undefined
  env?: Record<string, string | undefined> | undefined
  signals?: SignalSource | undefined
}

/**
 * Imports the file, whose default export is `defineWorker({…})`, and works until SIGTERM or SIGINT; a second signal
 * doesn't wait for running tasks. Rejects when the file or the environment is no good, or the orchestrator refuses.
 *
 * Reads ORCHESTRATOR_URL, WORKER_ID, WORKER_INDIVIDUAL_TOKEN or else WORKER_TOKEN, and MAX_CONCURRENT_TASKS.
 */
export const runWorkerFile = async (path: string, options: RunWorkerFileOptions = {}): Promise<void> => {
  const { env = process.env, signals = process } = options
  const token = env.WORKER_INDIVIDUAL_TOKEN || env.WORKER_TOKEN
  if (!token) throw new WorkerFileError('Set WORKER_TOKEN, or WORKER_INDIVIDUAL_TOKEN, to the token of this worker.')
  const definition = await load(path)
  const worker = createWorker({
    ...definition,
    url: env.ORCHESTRATOR_URL || 'http://localhost:8080',
    token,
    id: env.WORKER_ID || undefined,
    concurrency: readConcurrency(env.MAX_CONCURRENT_TASKS) ?? definition.concurrency,
    log: options.log,
  })

  let asked = false
  const onSignal = () => {
    options.log?.info({}, asked ? 'stopping at once' : 'draining; a second signal stops at once')
    // Their outcome is told by `done`.
    void (asked ? worker.stop() : worker.drain()).catch(() => {})
    asked = true
  }
  signals.on('SIGTERM', onSignal)
  signals.on('SIGINT', onSignal)
  try {
    await worker.start()
    await worker.done
  } finally {
    signals.off('SIGTERM', onSignal)
    signals.off('SIGINT', onSignal)
  }
}

const load = async (path: string): Promise<WorkerDefinition> => {
  const module: { default?: unknown } = await import(pathToFileURL(resolve(path)).href)
  if (!isDefinition(module.default))
    throw new WorkerFileError(`${path} has no default export made by defineWorker({ skills })`)
  return module.default
}

const isDefinition = (value: unknown): value is WorkerDefinition =>
  typeof value === 'object' &&
  value !== null &&
  'skills' in value &&
  typeof value.skills === 'object' &&
  value.skills !== null &&
  Object.values(value.skills).every((skill) => typeof skill?.execute === 'function')

const readConcurrency = (text: string | undefined): number | undefined => {
  if (!text) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 10_000) return number
  throw new WorkerFileError(`MAX_CONCURRENT_TASKS must be a whole number from 1 to 10000, not “${text}”.`)
}
