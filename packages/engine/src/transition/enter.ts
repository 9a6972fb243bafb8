/** Moving on: into a state, whose handler is then to be run. */
import type { Json, JsonObject } from '@tutti/contracts'
import { type Draft, log } from './draft.ts'
import { endJob, leaveWaiting } from './end.ts'

export const enterState = (draft: Draft, to: string): void => {
  const { job, env } = draft
  const from = job.state
  leaveWaiting(draft)
  job.transitions += 1
  if (job.transitions > env.limits.maxTransitions) {
    endJob(draft, 'failed', null, {
      code: 'TRANSITION_LIMIT',
      message: `the job changed state more than ${env.limits.maxTransitions} times: the blueprint seems to loop`,
    })
    return
  }
  job.state = to
  job.status = 'running'
  job.attempt = 0
  job.progress = null
  job.progressMessage = null
  log(draft, 'state_entered', { previous_state: from })
}

/** An object that a task answered becomes part of the job's data; anything else is only seen as `last`. */
export const mergeData = (draft: Draft, data: Json): void => {
  if (data !== null && typeof data === 'object' && !Array.isArray(data))
    // A spread, because `Object.assign` would take a key `__proto__` for the prototype.
    draft.job.data = { ...draft.job.data, ...(data as JsonObject) }
}
