/** Jobs in every state, made by the core itself, and what a cause makes of them. */
import type { Json } from '@tutti/contracts'
import type { Action, TaskSpec } from '../src/blueprint/action.ts'
import type { Cause } from '../src/job/cause.ts'
import { isTaskBranch, type Job } from '../src/job/job.ts'
import { newJob } from '../src/job/new-job.ts'
import type { Change } from '../src/store/port.ts'
import { changeOf, type Draft, draftOf, type Env } from '../src/transition/draft.ts'
import { transition, type Verdict } from '../src/transition/transition.ts'

export const startedAt = 1_900_000_000_000

export const limits: Env['limits'] = {
  taskAttempts: 3,
  taskTimeoutMs: 60_000,
  handlerAttempts: 3,
  maxTransitions: 20,
  maxDepth: 3,
  maxSignals: 3,
}

/** Ids count up, chance is always in the middle: what comes out can be compared. */
export const anEnv = (patch: Partial<Env> = {}): Env => {
  let ids = 0
  return {
    now: startedAt,
    newId: () => `id-${++ids}`,
    random: () => 0.5,
    limits,
    ...patch,
  }
}

export const aSpec = (patch: Partial<TaskSpec> = {}): TaskSpec => ({
  skill: 'work',
  params: {},
  priority: null,
  timeoutMs: null,
  needs: {},
  strategy: 'default',
  sticky: null,
  avoid: null,
  concurrencyKey: null,
  concurrencyLimit: 1,
  fairKey: null,
  pickupMs: null,
  resultMs: null,
  retry: null,
  ...patch,
})

export const fresh = (patch: Partial<Job> = {}): Job => ({
  ...newJob(
    {
      id: 'job',
      blueprint: 'b',
      version: 1,
      start: 'start',
      client: 'client',
      input: {},
      priority: 0,
      tags: [],
      metadata: {},
      parentId: null,
      deadlineAt: null,
    },
    startedAt,
  ),
  status: 'running',
  rev: 5,
  ...patch,
})

export interface Step {
  verdict: Verdict
  draft: Draft
  job: Job
  change: Change
  events: string[]
}

/** Applies one cause to the job. */
export const step = (job: Job, cause: Cause, env: Env = anEnv()): Step => {
  const draft = draftOf(job, env)
  const verdict = transition(draft, cause)
  const change = changeOf(draft, [], [], [])
  return { verdict, draft, job: change.job, change, events: change.events.map((event) => event.type) }
}

export const acted = (action: Action): Cause => ({ type: 'acted', lease: null, action })

export const dispatch = (
  on: Record<string, string> = { success: 'next', failure: 'mend' },
  patch: Partial<TaskSpec> = {},
  onEvent: Record<string, string> = {},
) => acted({ kind: 'dispatch', task: aSpec(patch), on, onEvent })

export const approval = (patch: Partial<Action & { kind: 'approval' }> = {}): Cause =>
  acted({
    kind: 'approval',
    message: 'well?',
    on: { yes: 'next' },
    timeoutMs: null,
    assignees: [],
    escalate: [],
    ...patch,
  })

export const awaitEvent = (
  timeoutMs: number | null = null,
  on: Record<string, string> = { event: 'next', timeout: 'late' },
): Cause => acted({ kind: 'wait_for_event', name: 'paid', on, timeoutMs })

export const signal = (id: string, name = 'paid', data: Json = null): Cause => ({ type: 'signal', id, name, data })

export const parallel = (
  tasks: number,
  options: { failFast?: boolean; concurrency?: number | null; quorum?: number | null; patch?: Partial<TaskSpec> } = {},
): Cause => {
  const { failFast = false, concurrency = null, quorum = null, patch = {} } = options
  return acted({
    kind: 'parallel',
    tasks: Array.from({ length: tasks }, () => aSpec(patch)),
    into: 'join',
    failFast,
    concurrency,
    quorum,
  })
}

/** A job in each state that it can wait in, by name. */
export const states = {
  running: () => fresh(),
  task: () => step(fresh(), dispatch()).job,
  parallel: () => step(fresh(), parallel(2)).job,
  approval: () =>
    step(
      fresh(),
      approval({ on: { yes: 'next', timeout: 'late' }, timeoutMs: 1_000, escalate: [{ afterMs: 10, to: 'ops' }] }),
    ).job,
  child: () =>
    step(
      fresh(),
      acted({
        kind: 'run_blueprint',
        blueprint: 'c',
        version: 2,
        start: 's',
        input: {},
        on: { success: 'next' },
        timeoutMs: null,
      }),
    ).job,
  event: () => step(fresh(), awaitEvent(1_000)).job,
  sleeping: () => step(fresh(), acted({ kind: 'sleep', to: 'next', ms: 1_000 })).job,
  paused: () => step(fresh(), { type: 'pause', by: 'me' }).job,
  undoing: () => step(fresh({ undo: ['refund'] }), threw(false)).job,
  retrying: () => step(fresh(), threw()).job,
  finished: () => step(fresh(), acted({ kind: 'finish', output: 1 })).job,
  failed: () => step(fresh(), acted({ kind: 'fail', error: { code: 'X', message: 'x' }, output: null })).job,
  cancelled: () => step(fresh(), { type: 'cancel', by: 'me', reason: null }).job,
  quarantined: () => {
    const job = step(fresh(), dispatch({})).job
    return step(job, failed(taskOf(job), 'PERMANENT_ERROR')).job
  },
  error: () => step(fresh(), threw(false)).job,
} satisfies Record<string, () => Job>

export const threw = (retryable = true): Cause => ({
  type: 'threw',
  lease: null,
  error: { code: 'HANDLER_FAILED', message: 'boom' },
  retryable,
})

export const result = (taskId: string, patch: Partial<Cause & { type: 'task_result' }> = {}): Cause => ({
  type: 'task_result',
  taskId,
  attempt: 1,
  worker: 'w',
  status: 'success',
  data: null,
  error: null,
  durationMs: null,
  ...patch,
})

export const failed = (taskId: string, code = 'TRANSIENT_ERROR', attempt: number | null = 1): Cause =>
  result(taskId, { status: 'failure', attempt, error: { code, message: 'no luck' } })

/** Ids of the tasks the job waits for. */
export const openTasks = (job: Job): string[] => {
  const { waiting } = job
  if (waiting?.kind === 'task') return [waiting.task.id]
  if (waiting?.kind !== 'parallel') return []
  return waiting.branches.filter(isTaskBranch).flatMap(({ status, task }) => (status === 'open' ? [task.id] : []))
}

export const taskOf = (job: Job): string => {
  const [id] = openTasks(job)
  if (id === undefined) throw new Error('the job waits for no task')
  return id
}
