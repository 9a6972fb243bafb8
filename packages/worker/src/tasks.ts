/** The tasks that run in this worker, from their hand-out until there is a result. */
import type { Backoff, Json, ProgressEvent, TaskPayload, WorkerEvent } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { PermanentError } from './errors.ts'
import { createEvents } from './events.ts'
import type { Staging } from './files/staging.ts'
import type { HotCache } from './hot-cache.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import type { TaskMetrics } from './metrics.ts'
import { createProgress } from './progress.ts'
import { type AbortCause, runTask, TaskAbortedError, type TaskAnswer } from './run-task.ts'
import type { ServerClock } from './server-clock.ts'
import type { Skill, Task } from './skill.ts'
import type { SkillLimits } from './skill-limits.ts'

export interface Finished {
  payload: TaskPayload
  answer: TaskAnswer
  /** On this machine's clock. */
  deadlineMs: number | null
}

export interface Tasks {
  /** False when this very hand-out is known already. */
  accept(payload: TaskPayload): boolean
  /** With a lease token: only if the task is still held under it. */
  abort(taskId: string, why: AbortCause, leaseToken?: string): void
  abortAll(why: AbortCause): void
  /** Task id → lease token of everything whose result still counts. */
  held(): Map<string, string>
  count(): number
}

export interface TasksOptions {
  skills: Record<string, Skill>
  limits: SkillLimits
  clock: Clock
  serverClock: ServerClock
  log: WorkerLog
  progressIntervalMs: number
  hot: HotCache
  sendProgress: (event: ProgressEvent) => Promise<void>
  sendEvent: (event: WorkerEvent, signal: AbortSignal) => Promise<void>
  /** Events that are not as the skill declares are refused, else sent all the same. */
  strictEvents: boolean
  newBackoff: () => Backoff
  /** Undefined: files are left where they are. */
  staging: Staging | undefined
  metrics: TaskMetrics
  /** Called once per accepted task; `undefined` when there is nothing to tell. */
  onEnd: (finished: Finished | undefined) => void
}

interface Running {
  payload: TaskPayload
  controller: AbortController
}

export const createTasks = (options: TasksOptions): Tasks => {
  const { skills, limits, clock, serverClock, log, progressIntervalMs, hot, sendProgress, staging, metrics, onEnd } =
    options
  const running = new Set<Running>()
  /** By task id; a run that was lost is no longer here although it may still be running. */
  const current = new Map<string, Running>()

  const abort = (entry: Running, why: AbortCause) => {
    if (why === 'lost' && current.get(entry.payload.task_id) === entry) current.delete(entry.payload.task_id)
    entry.controller.abort(new TaskAbortedError(why))
  }

  const run = async (entry: Running, deadlineMs: number | null): Promise<Finished | undefined> => {
    const { payload, controller } = entry
    const { signal } = controller
    const about = { task_id: payload.task_id, job_id: payload.job_id, skill: payload.type, attempt: payload.attempt }
    const ended = new AbortController()
    if (deadlineMs !== null) {
      void clock.sleep(deadlineMs - clock.now(), ended.signal).then(() => {
        if (!ended.signal.aborted) controller.abort(new TaskAbortedError('deadline'))
      })
    }
    const progress = createProgress({
      taskId: payload.task_id,
      jobId: payload.job_id,
      send: sendProgress,
      clock,
      intervalMs: progressIntervalMs,
      ended: ended.signal,
    })
    const skill = Object.hasOwn(skills, payload.type) ? skills[payload.type] : undefined
    const stage = staging?.of(payload)
    const events = createEvents({
      payload,
      schemas: skill?.events,
      strict: options.strictEvents,
      send: options.sendEvent,
      clock,
      backoff: options.newBackoff(),
      log,
      signal,
    })
    const task: Task = {
      taskId: payload.task_id,
      jobId: payload.job_id,
      skill: payload.type,
      attempt: payload.attempt,
      priority: payload.priority,
      deadline: deadlineMs === null ? null : new Date(deadlineMs),
      traceparent: payload.tracing_context.traceparent ?? null,
      signal,
      hot,
      progress: progress.report,
      sendEvent: events.send,
      folder: async () => {
        if (stage === undefined)
          throw new PermanentError('This worker has no folder for files: it was started with none')
        return stage.folder()
      },
    }
    let leave = () => {}
    let working = false
    let startedMs = clock.now()
    // Waiting for a turn is part of the task: a cancel then must be answered like one of running work.
    const queued: Skill | undefined = skill && {
      execute: async (params, given) => {
        leave = await limits.enter(payload.type, signal)
        startedMs = clock.now()
        log.info(about, 'task started')
        metrics.started(payload.type)
        working = true
        const returned = await skill.execute(params, given)
        // What it told comes before its result, after which it would count for nothing.
        await events.idle()
        return returned
      },
    }
    const staged = stage && skill?.files === false ? { ...stage, bring: async (params: Json) => params } : stage
    const answer = await runTask(queued, payload, task, () => clock.now() - startedMs, staged)
    ended.abort()
    leave()
    if (working) metrics.ended(payload.type, answer?.status ?? 'dropped', clock.now() - startedMs)
    await stage
      ?.clear()
      .catch((error: unknown) => log.warn({ ...about, error: errorMessage(error) }, 'the task’s folder stays behind'))
    const told = { ...about, duration_ms: clock.now() - startedMs, status: answer?.status ?? 'dropped' }
    if (answer?.error === undefined) log.info(told, 'task finished')
    else log.warn({ ...told, error: answer.error }, 'task failed')
    return answer && { payload, answer, deadlineMs }
  }

  return {
    accept: (payload) => {
      const known = current.get(payload.task_id)
      if (known?.payload.lease_token === payload.lease_token) return false
      // Its lease ended without our noticing, and the new hand-out came to us again: the older run can't count any more.
      if (known !== undefined) abort(known, 'lost')
      const entry: Running = { payload, controller: new AbortController() }
      running.add(entry)
      current.set(payload.task_id, entry)
      const deadlineMs = payload.deadline === undefined ? null : serverClock.toLocal(payload.deadline * 1000)
      void run(entry, deadlineMs).then((finished) => {
        running.delete(entry)
        if (current.get(payload.task_id) === entry) current.delete(payload.task_id)
        onEnd(finished)
      })
      return true
    },
    abort: (taskId, why, leaseToken) => {
      const entry = current.get(taskId)
      if (entry === undefined || (leaseToken !== undefined && entry.payload.lease_token !== leaseToken)) return
      log.info({ task_id: taskId, why }, 'task aborted')
      // A signal keeps its first reason. A cancelled task that is lost afterwards still reports, and is ignored.
      abort(entry, why)
    },
    abortAll: (why) => {
      for (const entry of running) abort(entry, why)
    },
    held: () => new Map(current.values().map(({ payload }) => [payload.task_id, payload.lease_token])),
    count: () => running.size,
  }
}
