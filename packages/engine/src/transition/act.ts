/** What the action that a handler returned, or the error it threw, makes of the job. */
import type { JobError, JsonObject } from '@tutti/contracts'
import type { Action } from '../blueprint/action.ts'
import type { Job } from '../job/job.ts'
import { backoffMs } from '../job/retry.ts'
import { dispatchTask } from './dispatch.ts'
import { type Draft, draftOf, log, setTimer } from './draft.ts'
import { endJob } from './end.ts'
import { enterState, mergeData } from './enter.ts'
import { dispatchParallel } from './parallel.ts'

export const applyAction = (draft: Draft, action: Action): void => {
  const { job, env } = draft
  job.wakeAt = null
  job.attempt = 0
  switch (action.kind) {
    case 'go_to':
      if (action.data) mergeData(draft, action.data)
      enterState(draft, action.to)
      return
    case 'dispatch':
      dispatchTask(draft, action.task, action.on)
      return
    case 'parallel':
      dispatchParallel(draft, action.tasks, action)
      return
    case 'approval': {
      const timerId = action.timeoutMs === null ? null : `${job.id}:approval:${job.transitions}`
      const expiresAt = action.timeoutMs === null ? null : env.now + action.timeoutMs
      job.status = 'waiting_for_human'
      job.waiting = { kind: 'approval', message: action.message, on: action.on, timerId, expiresAt }
      if (timerId !== null && expiresAt !== null)
        setTimer(draft, { id: timerId, jobId: job.id, dueAt: expiresAt, cause: { type: 'approval_timeout', timerId } })
      log(draft, 'approval_requested', { message: action.message, decisions: Object.keys(action.on) })
      return
    }
    case 'run_blueprint':
      spawnChild(draft, action)
      return
    case 'finish':
      endJob(draft, 'finished', action.output, null)
      return
    case 'fail':
      endJob(draft, 'failed', action.output, action.error)
  }
}

const spawnChild = (draft: Draft, action: Action & { kind: 'run_blueprint' }): void => {
  const { job, env } = draft
  const child = newJob(
    {
      id: env.newId(),
      blueprint: action.blueprint,
      version: action.version,
      start: action.start,
      client: job.client,
      input: action.input,
      priority: job.priority,
      tags: job.tags,
      metadata: {},
      parentId: job.id,
      deadlineAt: null,
    },
    env.now,
  )
  const begun = draftOf({ ...child, wakeAt: env.now }, env)
  log(begun, 'job_created', { blueprint: child.blueprint, version: child.version, parent_job_id: job.id })
  draft.spawn.push({ job: { ...begun.job, rev: 1 }, events: begun.events, timers: [] })
  job.status = 'waiting_for_child'
  job.waiting = { kind: 'child', childId: child.id, on: action.on }
  log(draft, 'child_started', { child_job_id: child.id, blueprint: child.blueprint })
}

/** A handler threw: try it again after a back-off, or give the job up. */
export const applyThrown = (draft: Draft, error: JobError, retryable: boolean): void => {
  const { job, env } = draft
  job.attempt += 1
  log(draft, 'handler_failed', { attempt: job.attempt, error: { code: error.code, message: error.message } })
  if (!retryable) {
    endJob(draft, 'error', null, error)
    return
  }
  if (job.attempt >= env.limits.handlerAttempts) {
    const message = `the handler of "${job.state}" failed ${job.attempt} times: ${error.message}`
    endJob(draft, 'quarantined', null, { code: error.code, message })
    return
  }
  const policy = {
    attempts: env.limits.handlerAttempts,
    backoff: 'exponential',
    initialMs: 1000,
    maxMs: 300_000,
  } as const
  job.status = 'awaiting_retry'
  job.wakeAt = env.now + backoffMs(policy, job.attempt, env.random())
}

/** `origin` and what follows it have defaults. */
export interface NewJob {
  id: string
  blueprint: string
  version: number
  start: string
  client: string
  input: JsonObject
  priority: number
  tags: string[]
  metadata: JsonObject
  parentId: string | null
  deadlineAt: number | null
  origin?: Job['origin']
  depth?: number
  clientFacts?: Job['clientFacts']
}

/** A job before anything happened to it; `rev` 0 means that it is not stored yet. */
export const newJob = ({ start, ...spec }: NewJob, now: number): Job => ({
  origin: { kind: 'api' },
  depth: 0,
  clientFacts: { plan: null, params: {} },
  ...spec,
  fingerprint: null,
  webhook: null,
  trace: null,
  dispatchTimeoutMs: null,
  resultTimeoutMs: null,
  paused: false,
  signals: [],
  startAt: null,
  status: 'pending',
  state: start,
  data: {},
  results: [],
  last: null,
  waiting: null,
  output: null,
  error: null,
  attempt: 0,
  transitions: 0,
  progress: null,
  progressMessage: null,
  createdAt: now,
  updatedAt: now,
  finishedAt: null,
  rev: 0,
  seq: 0,
  wakeAt: null,
})
