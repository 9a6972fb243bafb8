/** Children: jobs that a job starts, and whose end it waits for. */
import type { Action } from '../blueprint/action.ts'
import type { Cause } from '../job/cause.ts'
import { isTaskBranch } from '../job/job.ts'
import { endJob, enterState } from './course.ts'
import { type Draft, log, own } from './draft.ts'
import { endBranch, type Parallel } from './parallel.ts'
import { mayHaveChild, spawnChild } from './spawn.ts'
import type { Verdict } from './transition.ts'

export const beginChild = (draft: Draft, action: Action & { kind: 'run_blueprint' }): void => {
  if (!mayHaveChild(draft, action.blueprint)) return
  const childId = draft.env.newId()
  draft.job.waiting = { kind: 'child', childId, on: action.on }
  spawnChild(draft, childId, action)
}

export const childEnded = (draft: Draft, cause: Cause & { type: 'child_ended' }): Verdict => {
  const { job } = draft
  if (job.waiting?.kind === 'parallel') return branchEnded(draft, job.waiting, cause)
  if (job.waiting?.kind !== 'child' || job.waiting.childId !== cause.childId) return 'stale'
  const { on } = job.waiting
  const { childId, output, error } = cause
  const status = outcomeOf(cause)
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

const branchEnded = (draft: Draft, waiting: Parallel, cause: Cause & { type: 'child_ended' }): Verdict => {
  const { childId, output } = cause
  const branch = waiting.branches.find((each) => !isTaskBranch(each) && each.child.id === childId)
  if (branch?.status !== 'open') return 'stale'
  const outcome = outcomeOf(cause)
  const data = outcome === 'success' ? output : null
  const ended = { code: 'CHILD_FAILED', message: `child job ${childId} ended as ${cause.status}` }
  const error =
    outcome === 'success' ? null : cause.error ? { code: cause.error.code, message: cause.error.message } : ended
  const at = waiting.branches.indexOf(branch)
  log(draft, 'child_finished', {
    child_job_id: childId,
    status: cause.status,
    outcome,
    output: data,
    error,
    branch: at,
  })
  endBranch(draft, waiting, branch, data, error)
  return 'applied'
}

const outcomeOf = ({ status }: { status: string }): 'success' | 'cancelled' | 'failure' =>
  status === 'finished' ? 'success' : status === 'cancelled' ? 'cancelled' : 'failure'
