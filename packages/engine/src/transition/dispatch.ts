/** Making tasks from what a blueprint asks for. */
import { isAddress, textsIn } from '@tutti/contracts'
import type { TaskSpec } from '../blueprint/action.ts'
import type { BranchSpec, Job, OpenTask } from '../job/job.ts'
import { type Needs, queueName } from '../job/needs.ts'
import { resolveRetry } from '../job/retry.ts'
import { type Draft, log, own, setTimer } from './draft.ts'
import { resultTimer } from './leave.ts'

export const resolveTask = ({ job, env }: Draft, spec: TaskSpec): BranchSpec => ({
  skill: spec.skill,
  queue: queueName({ skill: spec.skill, needs: placed(job, spec), strategy: spec.strategy }),
  params: spec.params,
  priority: spec.priority ?? job.priority,
  timeoutMs: spec.timeoutMs ?? env.limits.taskTimeoutMs,
  concurrencyKey: spec.concurrencyKey,
  concurrencyLimit: spec.concurrencyLimit,
  fairKey: spec.fairKey ?? job.client,
  pickupMs: spec.pickupMs ?? job.dispatchTimeoutMs,
  resultMs: spec.resultMs ?? job.resultTimeoutMs,
  retry: spec.retry
    ? { ...spec.retry, attempts: spec.retry.attempts ?? env.limits.taskAttempts }
    : resolveRetry(undefined, env.limits.taskAttempts),
})

/** `sticky` and `avoid` become needs, as soon as there is a worker they can mean. */
const placed = (job: Job, { needs, sticky, avoid }: TaskSpec): Needs => {
  if (sticky === null && avoid === null) return needs
  const wanted = workersOf(job, sticky)
  const unwanted = workersOf(job, avoid)
  return {
    ...needs,
    ...(wanted.length > 0 ? { workers: wanted } : {}),
    ...(unwanted.length > 0 ? { notWorkers: [...new Set([...(needs.notWorkers ?? []), ...unwanted])] } : {}),
  }
}

const workersOf = (job: Job, choice: true | string | null): string[] => {
  const state = choice === true ? job.dispatchedIn : choice
  return state === null ? [] : (own(job.workers, state) ?? [])
}

/** A fan-out may be wide; more than this of its workers are not remembered. */
const mostWorkers = 32

/** From here on the workers of this state's tasks are those of the tasks that are made now. */
export const beginDispatch = ({ job }: Draft): void => {
  job.dispatchedIn = job.state
  if (own(job.workers, job.state)) job.workers = { ...job.workers, [job.state]: [] }
}

export const noteWorker = ({ job }: Draft, worker: string): void => {
  const known = own(job.workers, job.state) ?? []
  if (worker === '' || known.includes(worker) || known.length >= mostWorkers) return
  job.workers = { ...job.workers, [job.state]: [...known, worker] }
}

export const openTask = ({ env }: Draft, spec: BranchSpec): OpenTask => {
  const files = new Set(textsIn(spec.params, isAddress).map(({ text }) => text))
  return {
    id: env.newId(),
    skill: spec.skill,
    attempt: 1,
    retry: spec.retry,
    queue: spec.queue,
    pickupMs: spec.pickupMs,
    resultBy: null,
    ...(files.size > 0 ? { files: [...files] } : {}),
  }
}

/** Puts a task into the queue, and sets the clock that watches it as a whole. */
export const enqueueTask = (draft: Draft, spec: BranchSpec, open: OpenTask): void => {
  const { job, env } = draft
  const { id } = open
  draft.enqueue.push({
    id,
    jobId: job.id,
    client: job.client,
    skill: spec.skill,
    queue: spec.queue,
    params: spec.params,
    priority: spec.priority,
    attempt: 1,
    timeoutMs: spec.timeoutMs,
    concurrencyKey: spec.concurrencyKey,
    concurrencyLimit: spec.concurrencyLimit,
    fairKey: spec.fairKey,
    pickupBy: spec.pickupMs === null ? null : env.now + spec.pickupMs,
    trace: job.trace,
    visibleAt: env.now,
  })
  if (spec.resultMs !== null) {
    open.resultBy = env.now + spec.resultMs
    const cause = { type: 'result_deadline', taskId: id } as const
    setTimer(draft, { id: resultTimer(id), jobId: job.id, dueAt: open.resultBy, cause })
  }
  log(draft, 'task_queued', { task_id: id, skill: spec.skill })
}

export const dispatchTask = (
  draft: Draft,
  spec: TaskSpec,
  on: Record<string, string>,
  onEvent: Record<string, string>,
): void => {
  const resolved = resolveTask(draft, spec)
  const task = openTask(draft, resolved)
  beginDispatch(draft)
  draft.job.waiting = { kind: 'task', task, on, onEvent }
  enqueueTask(draft, resolved, task)
}
