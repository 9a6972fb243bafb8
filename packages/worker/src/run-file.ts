/** Runs the worker that a file defines, as `tutti worker FILE` does. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createCrew } from './crew.ts'
import type { WorkerDefinition } from './define.ts'
import { workerFromEnvironment } from './environment.ts'
import { WorkerFileError } from './errors.ts'
import { serveHealth } from './health.ts'
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
 * What it reads from the environment stands in `workerFromEnvironment`; the environment goes before the file.
 */
export const runWorkerFile = async (path: string, options: RunWorkerFileOptions = {}): Promise<void> => {
  const { env = process.env, signals = process } = options
  const { describe, type, concurrency, shutdownSeconds, healthPort, orchestrators, mode, ...found } =
    workerFromEnvironment(env)
  const definition = await load(path)
  const settings = {
    ...definition,
    ...found,
    webSocket: found.webSocket && found.tls === undefined,
    type: type ?? definition.type,
    concurrency: concurrency ?? definition.concurrency,
    describe: { ...definition.describe, ...describe },
    log: options.log,
  }
  const worker = orchestrators ? createCrew({ ...settings, orchestrators, mode }) : createWorker(settings)
  let working = false
  const health = healthPort === undefined ? undefined : await serveHealth(healthPort, () => working)

  let asked = false
  let cut: NodeJS.Timeout | undefined
  const onSignal = () => {
    options.log?.info({}, asked ? 'stopping at once' : 'draining; a second signal stops at once')
    // Their outcome is told by `done`.
    void (asked ? worker.stop() : worker.drain()).catch(() => {})
    asked = true
    cut ??= setTimeout(() => {
      options.log?.warn({ seconds: shutdownSeconds }, 'the drain takes too long: stopping at once')
      void worker.stop().catch(() => {})
    }, shutdownSeconds * 1000)
  }
  signals.on('SIGTERM', onSignal)
  signals.on('SIGINT', onSignal)
  try {
    await worker.start()
    working = true
    await worker.done
  } finally {
    signals.off('SIGTERM', onSignal)
    signals.off('SIGINT', onSignal)
    clearTimeout(cut)
    await health?.close()
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
