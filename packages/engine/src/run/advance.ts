/**
 * From a job that wants its handler run to one that waits or has ended. Handlers that answer quickly run inside the commit
 * that led to them, so a job of one task costs three changes; a slow one gets a lease and goes on outside.
 */
import { restingStatus, wantsHandler } from '../job/status.ts'
import type { Draft } from '../transition/draft.ts'
import { transition } from '../transition/transition.ts'
import type { After } from './after.ts'
import { asCause, type HandlerOutcome, type Handlers } from './handlers.ts'

export interface AdvanceDeps {
  handlers: Handlers
  after: After
  inlineMs: number
  /** Lease of a handler that goes on after the commit. */
  leaseMs: number
}

/** A handler that was still running when its job was to be committed. */
export interface Continuation {
  outcome: Promise<HandlerOutcome>
}

/** Runs handlers until the job waits, ends, or takes too long. The draft is then ready to be committed. */
export const advance = async (draft: Draft, deps: AdvanceDeps): Promise<Continuation | null> => {
  const { job } = draft
  while (wantsHandler(job)) {
    job.status = 'running'
    if (!deps.handlers.knows(job)) {
      // Another instance has the code: leave the job where its next look at the clock finds it.
      job.wakeAt = draft.env.now
      job.status = restingStatus(job)
      return null
    }
    // A snapshot: the handler may keep its context after it was given up, and must not see the job change under it.
    const outcome = deps.handlers.run({ ...job })
    const quick = await within(outcome, deps.inlineMs, deps.after)
    if (quick === undefined) {
      job.wakeAt = draft.env.now + deps.leaseMs
      job.handling = true
      return { outcome }
    }
    transition(draft, asCause(quick, null))
  }
  return null
}

const within = async <T>(promise: Promise<T>, ms: number, after: After): Promise<T | undefined> => {
  let stopClock = () => {}
  const late = new Promise<undefined>((resolve) => {
    stopClock = after(ms, () => resolve(undefined))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    stopClock()
  }
}
