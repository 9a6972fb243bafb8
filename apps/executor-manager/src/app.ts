/** The executor manager: takes agent runs from the backend and runs each in a sandbox. Wired by `main.ts` and by `tutti up`. */
import { randomUUID } from 'node:crypto'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ClaimLoop, startClaimLoop } from './claim/loop.ts'
import { createSessionGate } from './claim/sessions.ts'
import type { ManagerDeps, Station } from './deps.ts'
import { type Health, type HealthServer, startHealthServer } from './health/server.ts'
import { findExecutor } from './sandbox/executor-files.ts'
import { dropSocketRoot, prepareSocketRoot } from './sandbox/socket-folder.ts'
import { type CompileCache, warmUp } from './sandbox/warm-up.ts'
import { defaultSettings, type ManagerSettings } from './settings.ts'
import { workOn } from './turn/run.ts'

export interface Manager {
  /** Ends what former processes left, then takes runs and answers health checks. */
  start(): Promise<void>
  /** Takes no more runs; running turns may finish for `drainMs`, then they are given back to the queue. */
  stop(options?: { drainMs?: number }): Promise<void>
  health(): Health
  /** Of the health endpoint, while it listens. */
  port(): number | undefined
}

/** After draining: how long the backend may take to hear of the turns that were ended. */
const reportMs = 5_000

export const createManager = (deps: ManagerDeps, settings: Partial<ManagerSettings> = {}): Manager => {
  const { config, driver, log } = deps
  const decided = { ...defaultSettings, ...settings }
  const workerId = workerIdOf(config.workerId)
  const leaseSeconds = Math.min(3600, Math.max(5, config.taskClaimLeaseSeconds))
  const drained = new AbortController()
  const abandoned = new AbortController()
  let loop: ClaimLoop | undefined
  let server: HealthServer | undefined
  let socketRoot: string | undefined
  let compileCache: CompileCache | undefined
  let warming: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  const health = (): Health => {
    const fault = loop?.fault() ?? null
    const status = stopping !== undefined ? 'draining' : fault === null ? 'ok' : 'degraded'
    return {
      ...{ service: 'executor-manager', status, worker_id: workerId, fault },
      ...{ sandbox: driver.name, isolates: driver.isolates },
      ...{ running: loop?.running() ?? 0, capacity: config.maxConcurrentTasks },
    }
  }

  const start = async (): Promise<void> => {
    await mkdir(config.workspaceRoot, { recursive: true, mode: 0o700 })
    const workspaceRoot = await realpath(config.workspaceRoot)
    socketRoot = await prepareSocketRoot(workspaceRoot)
    const station: Station = {
      ...deps,
      config: { ...config, workspaceRoot },
      ...{
        settings: decided,
        workerId,
        leaseSeconds,
        executor: findExecutor(),
        socketRoot,
        compileCache: () => compileCache,
      },
    }
    const reaped = await driver.reap()
    if (reaped.length > 0) log.warn({ sandboxes: reaped }, 'sandboxes of a former process were ended')
    if (!driver.isolates) log.warn({ sandbox: driver.name }, 'agents run without isolation, as this process does')
    server = await startHealthServer(
      config.managerHost,
      config.managerPort,
      health,
      decided.accessLog ? log : undefined,
    )
    // Beside the first turns, not before them: they would wait longer for it than it saves them.
    warming = warmUp(station, join(workspaceRoot, 'compiled')).then((made) => {
      compileCache = made
    })
    if (!config.taskPullEnabled) return log.info('TASK_PULL_ENABLED is off: no runs are taken')
    const gate = createSessionGate()
    const shutdown = { drained: drained.signal, abandoned: abandoned.signal }
    loop = startClaimLoop(deps, {
      workerId,
      // New at every start: by it the backend knows that runs of the former process are nobody's.
      bootId: randomUUID(),
      leaseSeconds,
      waitSeconds: decided.claimWaitSeconds,
      pauseMs: config.taskPullIntervalSeconds * 1000,
      room: config.maxConcurrentTasks,
      work: (claimed) => workOn(station, gate, claimed, shutdown),
    })
    log.info({ sandbox: driver.name, worker_id: workerId, capacity: config.maxConcurrentTasks }, 'taking agent runs')
  }

  const stop = async (drainMs: number): Promise<void> => {
    loop?.stop()
    const idle = loop?.idle() ?? Promise.resolve()
    await within(idle, drainMs)
    drained.abort(new Error('the manager stops'))
    await within(idle, reportMs)
    abandoned.abort(new Error('the manager stops'))
    // Sandboxes are ended in any case: none outlives its manager.
    await idle
    await warming
    await server?.close()
    if (socketRoot !== undefined) await dropSocketRoot(socketRoot)
  }

  return {
    start,
    stop: ({ drainMs = decided.drainMs } = {}) => {
      stopping ??= stop(drainMs)
      return stopping
    },
    health,
    port: () => server?.port,
  }
}

/** Host names may have dots; the backend’s names for workers may not. */
const workerIdOf = (given: string): string => given.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 128)

/** Waits for something, but no longer than that. */
const within = async (done: Promise<void>, ms: number): Promise<void> => {
  const patience = new AbortController()
  try {
    await Promise.race([done, delay(ms, undefined, { signal: patience.signal })])
  } finally {
    patience.abort()
  }
}
