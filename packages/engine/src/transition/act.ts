/** What the action that a handler returned, or the error it threw, makes of the job. */
import type { JobError } from '@tutti/contracts'
import type { Action } from '../blueprint/action.ts'
import { backoffMs } from '../job/retry.ts'
import { requestApproval } from './approval.ts'
import { beginChild } from './child.ts'
import { endJob, enterState, undoNext } from './course.ts'
import { dispatchTask } from './dispatch.ts'
import { type Draft, log } from './draft.ts'
import { dispatchParallel } from './parallel.ts'
import { sleepUntil, waitForEvent } from './signal.ts'

/** @param undo the state that undoes the one whose handler acted */
export const applyAction = (draft: Draft, action: Action, undo: string | null): void => {
  const { job, env } = draft
  job.wakeAt = null
  job.handling = false
  job.attempt = 0
  job.undoBy = undo
  switch (action.kind) {
    case 'go_to':
      enterState(draft, action.to, { done: true, data: action.data, tellData: action.data !== null })
      return
    case 'dispatch':
      dispatchTask(draft, action.task, action.on, action.onEvent)
      return
    case 'parallel':
      dispatchParallel(draft, action)
      return
    case 'approval':
      requestApproval(draft, action)
      return
    case 'run_blueprint':
      beginChild(draft, action)
      return
    case 'wait_for_event':
      waitForEvent(draft, action)
      return
    case 'sleep':
      sleepUntil(draft, action.to, env.now + action.ms)
      return
    case 'sleep_until':
      sleepUntil(draft, action.to, action.until)
      return
    case 'undone':
    case 'finish':
      // While a job is undone, an end state is only the end of one undoing.
      if (job.ending) undoNext(draft)
      else if (action.kind === 'finish') endJob(draft, 'finished', action.output, null)
      else
        endJob(draft, 'error', null, {
          code: 'BLUEPRINT_ERROR',
          message: `the state "${job.state}" says that it has undone something, but the job is not being undone`,
        })
      return
    case 'fail':
      endJob(draft, 'failed', action.output, action.error)
  }
}

/** A handler threw: try it again after a back-off, or give the job up. */
export const applyThrown = (draft: Draft, error: JobError, retryable: boolean): void => {
  const { job, env } = draft
  job.attempt += 1
  job.wakeAt = null
  job.handling = false
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
    elsewhere: false,
  } as const
  job.wakeAt = env.now + backoffMs(policy, job.attempt, env.random())
}
