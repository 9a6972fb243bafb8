/** The executor manager: takes agent runs from the backend and runs each in a sandbox. Wired by `main.ts` and by `tutti up`. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutorCancelled } from '@tutti/contracts'
import type { Health } from './api/health.ts'
import { viewSchedules } from './api/schedules.ts'
import { type ApiServer, startApi } from './api/server.ts'
import { type AtWork, createAtWork } from './claim/at-work.ts'
import { type ClaimLoop, startClaimLoop } from './claim/loop.ts'
import { openModes } from './claim/schedule.ts'
import { createSessionGate } from './claim/sessions.ts'
import type { CleanupOptions } from './cleanup/cleanup.ts'
import { type CleanupSchedule, scheduleCleanup } from './cleanup/schedule.ts'
import type { ManagerDeps, Station } from './deps.ts'
import { createContentCache } from './files/content-cache.ts'
import { within } from './patience.ts'
import { createCallbacks } from './relay/callbacks.ts'
import { findExecutor } from './sandbox/executor-files.ts'
import { createKeptSandboxes, keptOptions } from './sandbox/kept.ts'
import { openAhead } from './sandbox/open.ts'
import { createSandboxPool, poolOptions } from './sandbox/pool.ts'
import { dropSocketRoot, prepareSocketRoot } from './sandbox/socket-folder.ts'
import { prepareWaitingFolders } from './sandbox/waiting-folder.ts'
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
  let server: ApiServer | undefined
  let socketRoot: string | undefined
  let compileCache: CompileCache | undefined
  let cleanup: CleanupSchedule | undefined
  let warming: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  const atWork = createAtWork()
  // A sandbox that has a network has no socket.
  const callbacks = driver.network ? createCallbacks(log) : undefined
  const kept = createKeptSandboxes({ log }, keptOptions(config))
  const pool = createSandboxPool(
    { log, held: () => kept.state().memory_bytes, busy: () => atWork.sessions().length > 0 },
    poolOptions(config),
  )
  const boot = decided.now()

  const health = (): Health => {
    const fault = loop?.fault() ?? null
    const status = stopping !== undefined ? 'draining' : fault === null ? 'ok' : 'degraded'
    return {
      ...{ service: 'executor-manager', status, worker_id: workerId, fault },
      ...{ sandbox: driver.name, isolates: driver.isolates },
      ...{ running: loop?.running() ?? 0, capacity: config.maxConcurrentTasks },
      kept_sandboxes: kept.state(),
      pooled_sandboxes: pool.state(),
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
        atWork,
        workerId,
        leaseSeconds,
        executor: findExecutor(config.executorFiles),
        cache: createContentCache({ workspaceRoot, maxBytes: config.workspaceCacheMb * 1024 ** 2 }),
        socketRoot,
        ...{ kept, pool },
        callbacks,
        compileCache: () => compileCache,
      },
    }
    const reaped = await driver.reap()
    if (reaped.length > 0) log.warn({ sandboxes: reaped }, 'sandboxes of a former process were ended')
    await prepareWaitingFolders(workspaceRoot)
    if (!driver.isolates) log.warn({ sandbox: driver.name }, 'agents run without isolation, as this process does')
    const gate = createSessionGate()
    const cancel = async (sessionId: string, reason: string | null) => {
      const cancelled = await cancelSession(atWork, sessionId, reason)
      await kept.close(sessionId, 'cancelled')
      return cancelled
    }
    server = await startApi(
      {
        ...{ log, health },
        schedules: () => viewSchedules(deps.schedule, decided.now(), boot),
        load: () => ({
          ...{ worker_id: workerId, sandbox: driver.name, running: loop?.running() ?? 0 },
          ...{ capacity: config.maxConcurrentTasks, sessions: atWork.sessions() },
          kept_sandboxes: kept.state(),
          pooled_sandboxes: pool.state(),
        }),
        pull: (asked) => {
          const schedule_modes = asked.length > 0 ? asked : openModes(deps.schedule, decided.now(), boot)
          const accepted = loop !== undefined && stopping === undefined
          if (accepted) loop?.pull(schedule_modes)
          return { accepted, schedule_modes }
        },
        cancel,
        workspaces: {
          ...{ workspaceRoot, workerId, atWork, gate, cancel, now: () => new Date() },
          closeKept: (sessionId) => kept.close(sessionId, 'workspace'),
          ...{ ignoreDotFiles: config.workspaceIgnoreDotFiles, patterns: config.workspaceGitIgnore },
        },
      },
      {
        host: config.managerHost,
        port: config.managerPort,
        internalToken: config.internalApiToken,
        accessLog: decided.accessLog,
        requestMs: decided.requestMs,
        callbacks,
      },
    )
    // Beside the first turns, not before them: they would wait longer for it than it saves them.
    warming = warmUp(station, join(workspaceRoot, 'compiled')).then((made) => {
      compileCache = made
      // With the compiled code, and not before: each would be loaded without.
      if (config.taskPullEnabled && driver.ahead) pool.begin(() => openAhead(station, log))
    })
    if (config.workspaceCleanupEnabled)
      cleanup = scheduleCleanup(
        // What is kept is at work soon, and nobody may touch its files meanwhile.
        { gate: { tryEnter: (id) => (kept.has(id) ? undefined : gate.tryEnter(id)) }, log, now: () => new Date() },
        cleanupOptions(config, workspaceRoot),
        config.workspaceCleanupIntervalHours * hourMs,
      )
    if (!config.taskPullEnabled) return log.info('TASK_PULL_ENABLED is off: no runs are taken')
    const shutdown = { drained: drained.signal, abandoned: abandoned.signal }
    loop = startClaimLoop(deps, {
      workerId,
      // New at every start: by it the backend knows that runs of the former process are nobody's.
      bootId: randomUUID(),
      leaseSeconds,
      waitSeconds: decided.claimWaitSeconds,
      pauseMs: config.taskPullIntervalSeconds * 1000,
      room: config.maxConcurrentTasks,
      schedule: deps.schedule,
      now: decided.now,
      work: (claimed) => workOn(station, gate, claimed, shutdown),
    })
    log.info({ sandbox: driver.name, worker_id: workerId, capacity: config.maxConcurrentTasks }, 'taking agent runs')
  }

  const stop = async (drainMs: number): Promise<void> => {
    loop?.stop()
    const emptied = pool.stop()
    const idle = loop?.idle() ?? Promise.resolve()
    await within(idle, drainMs)
    drained.abort(new Error('the manager stops'))
    await within(idle, reportMs)
    abandoned.abort(new Error('the manager stops'))
    // Sandboxes are ended in any case: none outlives its manager.
    await idle
    await kept.stop()
    await cleanup?.stop()
    await warming
    await emptied
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

/** Longer than a sandbox takes to end and its end to be told; who asks has other things to do then. */
const cancelMs = 10_000

const cancelSession = async (atWork: AtWork, session_id: string, reason: string | null): Promise<ExecutorCancelled> => {
  // One that is over only puts its workspace away.
  const leases = atWork.leases(session_id).filter(({ over }) => !over.aborted)
  for (const lease of leases) lease.cancel(reason ?? 'somebody at the manager cancelled the session')
  const ends = leases.map(({ over }) => (over.aborted ? Promise.resolve() : once(over, 'abort').then(() => undefined)))
  await within(
    Promise.all(ends).then(() => undefined),
    cancelMs,
  )
  const stopped = leases.filter(({ over }) => over.aborted).length
  const stop_status = leases.length === 0 ? 'not_found' : stopped === leases.length ? 'stopped' : 'stopping'
  return {
    ...{ session_id, stop_status, matched_container_count: leases.length, stopped_container_count: stopped },
    message: leases.length === 0 ? 'nothing runs here for this session' : `${stopped} of ${leases.length} ended`,
  }
}
const hourMs = 3_600_000

const cleanupOptions = (config: ManagerDeps['config'], workspaceRoot: string): CleanupOptions => ({
  workspaceRoot,
  maxAgeMs: config.workspaceMaxAgeHours * hourMs,
  archive: config.workspaceArchiveEnabled,
  archiveMs: config.workspaceArchiveDays * 24 * hourMs,
})

/** Host names may have dots; the backend’s names for workers may not. */
const workerIdOf = (given: string): string => given.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 128)
