/** Runs the worker that a file defines, as `tutti worker FILE` does. */
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createCrew } from './crew.ts'
import type { WorkerDefinition } from './define.ts'
import { workerFromEnvironment } from './environment.ts'
import { WorkerFileError } from './errors.ts'
import { serveHealth } from './health.ts'
import type { WorkerLog } from './log.ts'
import { createTaskMetrics } from './metrics.ts'
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
 * Imports the file, whose default export is `defineWorker({…})`, and those of WORKER_SKILLS_DIR, and works until SIGTERM or SIGINT; a
 * second signal doesn't wait for running tasks. Without a file, the folder's skills are all. Rejects when the file or the environment is no good, or the orchestrator refuses.
 *
 * What it reads from the environment stands in `workerFromEnvironment`; the environment goes before the file.
 */
export const runWorkerFile = async (path: string | undefined, options: RunWorkerFileOptions = {}): Promise<void> => {
  const { env = process.env, signals = process } = options
  const environment = workerFromEnvironment(env)
  const { describe, type, concurrency, shutdownSeconds, healthPort, orchestrators, mode, skillsDir, ...found } =
    environment
  const definition = await loadAll(path, skillsDir)
  const metrics = createTaskMetrics()
  const settings = {
    ...definition,
    ...found,
    webSocket: found.webSocket && found.tls === undefined,
    type: type ?? definition.type,
    concurrency: concurrency ?? definition.concurrency,
    describe: { ...definition.describe, ...describe },
    log: options.log,
    metrics,
  }
  const worker = orchestrators ? createCrew({ ...settings, orchestrators, mode }) : createWorker(settings)
  let working = false
  const health =
    healthPort === undefined
      ? undefined
      : await serveHealth(healthPort, () => working, environment.metrics ? metrics.text : undefined)

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

const loadAll = async (path: string | undefined, skillsDir: string | undefined): Promise<WorkerDefinition> => {
  if (path === undefined && skillsDir === undefined)
    throw new WorkerFileError('There is nothing to run: name a file, or set WORKER_SKILLS_DIR to a folder of them.')
  const definition = path === undefined ? { skills: {} } : await load(path)
  if (skillsDir === undefined) return definition
  const skills = { ...definition.skills }
  for (const file of await skillFiles(skillsDir))
    for (const [name, skill] of Object.entries((await load(file)).skills)) {
      if (Object.hasOwn(skills, name))
        throw new WorkerFileError(`${file} defines the skill ${name}, which is there already`)
      skills[name] = skill
    }
  if (Object.keys(skills).length === 0) throw new WorkerFileError(`There is no skill in ${skillsDir}`)
  return { ...definition, skills }
}

/** Modules in the folder itself, in the order of their names. */
const skillFiles = async (folder: string): Promise<string[]> => {
  try {
    const names = await readdir(folder)
    return names
      .filter((name) => /\.[mc]?[jt]s$/.test(name) && !/\.d\.[mc]?ts$/.test(name))
      .sort()
      .map((name) => join(folder, name))
  } catch (error) {
    throw new WorkerFileError(`WORKER_SKILLS_DIR can’t be read: ${error instanceof Error ? error.message : error}`)
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
