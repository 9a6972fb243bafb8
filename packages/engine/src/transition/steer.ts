/** What people do to a running job: cancel, pause, resume, change, move to another version. */
import type { Cause } from '../job/cause.ts'
import { endJob, enterState } from './course.ts'
import { type Draft, log } from './draft.ts'
import type { Verdict } from './transition.ts'

type Of<T extends Cause['type']> = Cause & { type: T }

export const cancelJob = (draft: Draft, { by, reason }: Of<'cancel'>): Verdict => {
  log(draft, 'cancel_requested', { by, ...(reason === null ? {} : { reason }) })
  // What has to be undone must not wait until somebody resumes a job that nobody wants any more.
  draft.job.paused = false
  endJob(draft, 'cancelled', null, { code: 'CANCELLED', message: reason ?? `cancelled by ${by}` })
  return 'applied'
}

export const pauseJob = (draft: Draft, by: string): Verdict => {
  if (draft.job.paused) return 'repeated'
  draft.job.paused = true
  log(draft, 'job_paused', { by })
  return 'applied'
}

export const resumeJob = (draft: Draft, by: string): Verdict => {
  if (!draft.job.paused) return 'repeated'
  draft.job.paused = false
  log(draft, 'job_resumed', { by })
  return 'applied'
}

export const updateJob = (draft: Draft, { by, changes }: Of<'update'>): Verdict => {
  Object.assign(draft.job, changes)
  log(draft, 'job_updated', { by, ...changes })
  return 'applied'
}

/** Only between two steps: a handler of the old version that runs just now could lead to states that the new one does not have. */
export const migrateJob = (draft: Draft, { by, version, state, states }: Of<'migrate'>): Verdict => {
  const { job } = draft
  if (job.handling || (job.waiting === null && !job.paused)) return 'not_waiting'
  const moves = state !== null && state !== job.state
  const needed = moves ? [state] : [job.state, ...exits(draft)]
  if (needed.some((name) => !states.includes(name))) return 'unknown_state'
  log(draft, 'job_migrated', { by, from: job.version, to: version })
  job.version = version
  if (moves) enterState(draft, state, { done: false })
  return 'applied'
}

/** States that the job can come to from what it waits for, or from what it would have to undo. */
const exits = ({ job: { waiting, undo, undoBy } }: Draft): string[] => {
  const later = undoBy === null ? undo : [...undo, undoBy]
  switch (waiting?.kind) {
    case 'task':
      return [...later, ...Object.values(waiting.on), ...Object.values(waiting.onEvent)]
    case 'approval':
    case 'child':
    case 'event':
      return [...later, ...Object.values(waiting.on)]
    case 'parallel':
      return [...later, waiting.into]
    case 'sleep':
      return [...later, waiting.to]
    case undefined:
      return later
  }
}
