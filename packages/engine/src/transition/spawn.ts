/** Making the jobs that a job starts. */
import type { ChildSpec } from '../blueprint/action.ts'
import { newJob } from '../job/new-job.ts'
import { restingStatus } from '../job/status.ts'
import { endJob } from './course.ts'
import { type Draft, draftOf, log, setTimer } from './draft.ts'
import { deadlineTimer } from './end.ts'

/** Whether the job may have a child; otherwise it has ended. */
export const mayHaveChild = (draft: Draft, blueprint: string): boolean => {
  const { job, env } = draft
  const depth = job.depth + 1
  if (depth <= env.limits.maxDepth) return true
  const message = `a child of "${blueprint}" would be ${depth} deep; ${env.limits.maxDepth} is the limit: do the blueprints call each other?`
  endJob(draft, 'error', null, { code: 'BLUEPRINT_ERROR', message })
  return false
}

/** The child is the same client's, one deeper in the tree, and takes part in its parent's trace. */
export const spawnChild = (draft: Draft, id: string, spec: ChildSpec): void => {
  const { job, env } = draft
  const { blueprint, version, start, input, timeoutMs } = spec
  const deadlineAt = timeoutMs === null ? null : env.now + timeoutMs
  const child = newJob(
    {
      id,
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
      depth: job.depth + 1,
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
  log(draft, 'child_started', { child_job_id: child.id, blueprint })
}
