/**
 * Where the job goes next: into a state, backwards through what has to be undone, or to its end.
 *
 * Compensation: a state may name another that undoes it. When it is left in success, that name goes onto the job's `undo`. A job that
 * is about to end otherwise than finished first walks these states, the newest first; `ending` keeps how it will end. While it
 * does so it can be neither cancelled nor timed out. An undo state that fails for good quarantines the job: somebody has to look.
 */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import { clearTimer, type Draft, log } from './draft.ts'
import { conclude, deadlineTimer, type TerminalStatus } from './end.ts'
import { leaveWaiting } from './leave.ts'

export interface Entering {
  /** The state that is left did what it is for, and must be undone if the job fails later. */
  done: boolean
  /** An object becomes part of the job's data; anything else is only seen as `last`. */
  data?: Json
  /** The line of the log carries the data; else an earlier line (a task's, a child's) has told them. */
  tellData?: boolean
}

/** Into a state, whose handler is then to be run. */
export const enterState = (draft: Draft, to: string, { done, data = null, tellData = false }: Entering): void => {
  const { job, env } = draft
  const from = job.state
  leaveWaiting(draft)
  if (done && job.undoBy !== null && job.ending === null) job.undo = [...job.undo, job.undoBy]
  job.undoBy = null
  job.transitions += 1
  // Undoing may take as many steps again as doing.
  if (job.transitions - (job.guardFrom ?? 0) > env.limits.maxTransitions * (job.ending ? 2 : 1)) {
    endJob(draft, 'failed', null, {
      code: 'TRANSITION_LIMIT',
      message: `the job changed state more than ${env.limits.maxTransitions} times: the blueprint seems to loop`,
    })
    return
  }
  // A spread, because `Object.assign` would take a key `__proto__` for the prototype.
  if (isObject(data)) job.data = { ...job.data, ...data }
  job.state = to
  job.attempt = 0
  job.wakeAt = null
  job.handling = false
  job.progress = null
  job.progressMessage = null
  log(draft, 'state_entered', { previous_state: from, ...(tellData ? { data } : {}) })
}

const isObject = (value: Json): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

/** Ends the job, at once or when all that it did is undone. */
export const endJob = (draft: Draft, status: TerminalStatus, output: Json, error: JobError | null): void => {
  const { job } = draft
  if (job.ending) {
    const before = job.ending.error ? `${job.ending.status}: ${job.ending.error.message}` : job.ending.status
    const reason = error?.message ?? `"${job.state}" came out as ${status}`
    conclude(draft, 'quarantined', null, {
      code: 'UNDO_FAILED',
      message: `undoing failed in "${job.state}": ${reason} (the job had come to its end as ${before})`,
    })
    return
  }
  if (status === 'finished' || job.undo.length === 0) {
    conclude(draft, status, output, error)
    return
  }
  leaveWaiting(draft)
  job.undoBy = null
  job.ending = { status, output, error, state: job.state }
  if (job.deadlineAt !== null) clearTimer(draft, deadlineTimer(job.id))
  log(draft, 'compensation_started', {
    status,
    undo: [...job.undo].reverse(),
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
  })
  undoNext(draft)
}

/** The next of what is to be undone, or the end that was put off for it. */
export const undoNext = (draft: Draft): void => {
  const { job } = draft
  const to = job.undo.at(-1)
  if (to !== undefined) {
    job.undo = job.undo.slice(0, -1)
    enterState(draft, to, { done: false })
  } else if (job.ending) {
    const { status, output, error } = job.ending
    log(draft, 'compensation_finished', { status })
    conclude(draft, status, output, error)
  }
}
