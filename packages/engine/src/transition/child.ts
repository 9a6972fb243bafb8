/** Children: jobs that a job starts, and whose end it waits for. */
import type { Action } from '../blueprint/action.ts'
import type { Cause } from '../job/cause.ts'
import { newJob } from '../job/new-job.ts'
import { restingStatus } from '../job/status.ts'
import { endJob, enterState } from './course.ts'
import { type Draft, draftOf, log, own, setTimer } from './draft.ts'
import { deadlineTimer } from './end.ts'
import type { Verdict } from './transition.ts'

/** The child is the same client's, as deep in the tree as it is, and takes part in its parent's trace. */
export const spawnChild = (draft: Draft, action: Action & { kind: 'run_blueprint' }): void => {
  const { job, env } = draft
  const { blueprint, version, start, input, on, timeoutMs } = action
  const depth = job.depth + 1
  if (depth > env.limits.maxDepth) {
    const message = `a child of "${blueprint}" would be ${depth} deep; ${env.limits.maxDepth} is the limit: do the blueprints call each other?`
    endJob(draft, 'error', null, { code: 'BLUEPRINT_ERROR', message })
    return
  }
  const deadlineAt = timeoutMs === null ? null : env.now + timeoutMs
  const child = newJob(
    {
      id: env.newId(),
      blueprint,
      version,
      start,
      client: job.client,
      input,
      priority: job.priority,
      tags: job.tags,
      metadata: {},
      parentId: job.id,
      origin: { kind: 'parent', jobId: job.id },
      depth,
      clientFacts: job.clientFacts,
      trace: job.trace,
      dispatchTimeoutMs: job.dispatchTimeoutMs,
      resultTimeoutMs: job.resultTimeoutMs,
      deadlineAt,
    },
    env.now,
  )
  // Due at once: any instance takes it as it takes a job whose turn has come.
  const begun = draftOf({ ...child, wakeAt: env.now }, env)
  begun.job.status = restingStatus(begun.job)
  log(begun, 'job_created', { blueprint, version, client: job.client, parent_job_id: job.id })
  if (deadlineAt !== null)
    setTimer(begun, { id: deadlineTimer(child.id), jobId: child.id, dueAt: deadlineAt, cause: { type: 'deadline' } })
  draft.spawn.push({ job: { ...begun.job, rev: 1 }, events: begun.events, timers: begun.setTimers })
  job.waiting = { kind: 'child', childId: child.id, on }
  log(draft, 'child_started', { child_job_id: child.id, blueprint })
}

export const childEnded = (draft: Draft, cause: Cause & { type: 'child_ended' }): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'child' || job.waiting.childId !== cause.childId) return 'stale'
  const { on } = job.waiting
  const { childId, output, error } = cause
  const status = cause.status === 'finished' ? 'success' : cause.status === 'cancelled' ? 'cancelled' : 'failure'
  const told = error ? { code: error.code, message: error.message } : null
  log(draft, 'child_finished', { child_job_id: childId, status: cause.status, outcome: status, output, error: told })
  // The child is over: leaving the wait must not send it a cancellation.
  job.waiting = null
  job.last = { status, data: output, error: told }
  const to = own(on, status) ?? (status === 'cancelled' ? own(on, 'failure') : undefined)
  if (to !== undefined)
    enterState(draft, to, { done: status === 'success', data: status === 'success' ? output : null })
  else
    endJob(draft, 'failed', null, {
      code: 'CHILD_FAILED',
      message: `child job ${childId} ended as ${cause.status}${error ? `: ${error.message}` : ''}`,
    })
  return 'applied'
}
