/** Fan-out and join: branches end in any order, and the job goes on once. */
import type { JobError, Json } from '@tutti/contracts'
import type { TaskSpec } from '../blueprint/action.ts'
import type { Branch, OpenTask, Waiting } from '../job/job.ts'
import { enqueueTask, resolveTask } from './dispatch.ts'
import { type Draft, log } from './draft.ts'
import { enterState } from './enter.ts'

type Parallel = Waiting & { kind: 'parallel' }

export const dispatchParallel = (
  draft: Draft,
  specs: TaskSpec[],
  options: { into: string; failFast: boolean; concurrency: number | null },
): void => {
  const waiting: Parallel = {
    kind: 'parallel',
    ...options,
    branches: specs.map((spec) => {
      const resolved = resolveTask(draft, spec)
      const task: OpenTask = { id: draft.env.newId(), skill: resolved.skill, attempt: 1, retry: resolved.retry }
      return { status: 'waiting', task, spec: resolved, data: null, error: null }
    }),
  }
  draft.job.status = 'waiting_for_parallel'
  draft.job.waiting = waiting
  log(draft, 'parallel_started', { into: options.into, tasks: specs.length })
  if (waiting.branches.length === 0) finishParallel(draft, waiting)
  else openBranches(draft, waiting)
}

/** Enqueues waiting branches as far as the cap allows. */
const openBranches = (draft: Draft, waiting: Parallel): void => {
  let open = waiting.branches.filter((branch) => branch.status === 'open').length
  for (const branch of waiting.branches) {
    if (waiting.concurrency !== null && open >= waiting.concurrency) return
    if (branch.status !== 'waiting' || branch.spec === null) continue
    enqueueTask(draft, branch.spec, branch.task.id)
    branch.status = 'open'
    branch.spec = null
    open += 1
  }
}

export const endBranch = (
  draft: Draft,
  waiting: Parallel,
  branch: Branch,
  data: Json,
  error: JobError | null,
): void => {
  branch.status = error ? 'failed' : 'done'
  branch.data = data
  branch.error = error
  const over = waiting.branches.every((other) => other.status === 'done' || other.status === 'failed')
  if (over || (error && waiting.failFast)) finishParallel(draft, waiting)
  else openBranches(draft, waiting)
}

/** Goes on to the join state: `results` in the order of the tasks, `last` tells whether any branch failed. */
export const finishParallel = (draft: Draft, waiting: Parallel): void => {
  const { job } = draft
  const failed = waiting.branches.filter((branch) => branch.status === 'failed')
  const [first] = failed
  job.results = waiting.branches.map((branch) => branch.data)
  job.last = {
    status: failed.length === 0 ? 'success' : 'failure',
    data: { done: waiting.branches.filter((branch) => branch.status === 'done').length, failed: failed.length },
    error: first?.error ?? null,
  }
  log(draft, 'parallel_finished', { tasks: waiting.branches.length, failed: failed.length })
  enterState(draft, waiting.into)
}
