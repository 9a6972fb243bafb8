/** Making tasks from what a blueprint asks for. */

import type { TaskSpec } from '../blueprint/action.ts'
import type { BranchSpec, OpenTask } from '../job/job.ts'
import { queueName } from '../job/needs.ts'
import { resolveRetry } from '../job/retry.ts'
import { type Draft, log } from './draft.ts'

export const resolveTask = (draft: Draft, spec: TaskSpec): BranchSpec => ({
  skill: spec.skill,
  params: spec.params,
  priority: spec.priority ?? draft.job.priority,
  timeoutMs: spec.timeoutMs ?? draft.env.limits.taskTimeoutMs,
  concurrencyKey: spec.concurrencyKey,
  retry: spec.retry
    ? { ...spec.retry, attempts: spec.retry.attempts ?? draft.env.limits.taskAttempts }
    : resolveRetry(undefined, draft.env.limits.taskAttempts),
})

/** Puts a task into the queue. */
export const enqueueTask = (draft: Draft, spec: BranchSpec, id: string): void => {
  const { job, env } = draft
  draft.enqueue.push({
    id,
    jobId: job.id,
    client: job.client,
    skill: spec.skill,
    queue: queueName({ skill: spec.skill, needs: {}, strategy: 'default' }),
    params: spec.params,
    priority: spec.priority,
    attempt: 1,
    timeoutMs: spec.timeoutMs,
    concurrencyKey: spec.concurrencyKey,
    concurrencyLimit: 1,
    fairKey: job.client,
    pickupBy: null,
    trace: job.trace,
    visibleAt: env.now,
  })
  log(draft, 'task_queued', { task_id: id, skill: spec.skill })
}

export const dispatchTask = (draft: Draft, spec: TaskSpec, on: Record<string, string>): void => {
  const resolved = resolveTask(draft, spec)
  const open: OpenTask = { id: draft.env.newId(), skill: resolved.skill, attempt: 1, retry: resolved.retry }
  draft.job.status = 'waiting_for_worker'
  draft.job.waiting = { kind: 'task', task: open, on }
  enqueueTask(draft, resolved, open.id)
}
