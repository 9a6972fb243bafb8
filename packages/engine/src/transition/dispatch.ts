/** Making tasks: one for `dispatch`, many for `parallel`. */

import type { TaskSpec } from '../blueprint/action.ts'
import type { BranchSpec, OpenTask, Waiting } from '../job/job.ts'
import { resolveRetry } from '../job/retry.ts'
import { type Draft, log } from './draft.ts'
import { finishParallel } from './parallel.ts'

const resolve = (draft: Draft, spec: TaskSpec): BranchSpec => ({
  skill: spec.skill,
  params: spec.params,
  priority: spec.priority ?? draft.job.priority,
  timeoutMs: spec.timeoutMs ?? draft.env.limits.taskTimeoutMs,
  concurrencyKey: spec.concurrencyKey,
  retry: spec.retry ?? resolveRetry(undefined, draft.env.limits.taskAttempts),
})

/** Puts a task into the queue. */
export const enqueueTask = (draft: Draft, spec: BranchSpec, id: string): void => {
  const { job, env } = draft
  draft.enqueue.push({
    id,
    jobId: job.id,
    client: job.client,
    skill: spec.skill,
    params: spec.params,
    priority: spec.priority,
    attempt: 1,
    timeoutMs: spec.timeoutMs,
    concurrencyKey: spec.concurrencyKey,
    visibleAt: env.now,
  })
  log(draft, 'task_queued', { task_id: id, skill: spec.skill })
}

export const dispatchTask = (draft: Draft, spec: TaskSpec, on: Record<string, string>): void => {
  const resolved = resolve(draft, spec)
  const open: OpenTask = { id: draft.env.newId(), skill: resolved.skill, attempt: 1, retry: resolved.retry }
  draft.job.status = 'waiting_for_worker'
  draft.job.waiting = { kind: 'task', task: open, on }
  enqueueTask(draft, resolved, open.id)
}

export const dispatchParallel = (
  draft: Draft,
  specs: TaskSpec[],
  options: { into: string; failFast: boolean; concurrency: number | null },
): void => {
  const waiting: Waiting & { kind: 'parallel' } = {
    kind: 'parallel',
    ...options,
    branches: specs.map((spec) => {
      const resolved = resolve(draft, spec)
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
export const openBranches = (draft: Draft, waiting: Waiting & { kind: 'parallel' }): void => {
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
