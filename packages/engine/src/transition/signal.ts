/** Events from outside: taken when the job waits for them, kept until it does, and each counted once. */
import type { Action } from '../blueprint/action.ts'
import type { Cause } from '../job/cause.ts'
import type { Signal } from '../job/job.ts'
import { endJob, enterState } from './course.ts'
import { type Draft, log, own, setTimer } from './draft.ts'
import { waitTimer } from './leave.ts'
import type { Verdict } from './transition.ts'

/** Senders repeat an event within minutes; the ids of so many are enough to know it again, and small enough to carry along. */
const rememberedIds = 64

export const receiveSignal = (draft: Draft, { id, name, data }: Cause & { type: 'signal' }): Verdict => {
  const { job, env } = draft
  if (job.signalIds.includes(id) || job.signals.some((kept) => kept.id === id)) return 'repeated'
  const waiting = job.waiting?.kind === 'event' && job.waiting.name === name ? job.waiting : null
  if (!waiting && job.signals.length >= env.limits.maxSignals) return 'too_many_signals'
  job.signalIds = [...job.signalIds, id].slice(-rememberedIds)
  log(draft, 'signal_received', { signal_id: id, name, data })
  const signal: Signal = { id, name, data, at: env.now }
  if (waiting) consume(draft, signal, waiting.on)
  else job.signals = [...job.signals, signal]
  return 'applied'
}

/** Takes the oldest event of the name that was kept, else waits. */
export const waitForEvent = (draft: Draft, action: Action & { kind: 'wait_for_event' }): void => {
  const { job, env } = draft
  const { name, on, timeoutMs } = action
  const kept = job.signals.find((signal) => signal.name === name)
  if (kept) {
    job.signals = job.signals.filter((signal) => signal !== kept)
    consume(draft, kept, on)
    return
  }
  const timerId = timeoutMs === null ? null : waitTimer(draft, 'event')
  const expiresAt = timeoutMs === null ? null : env.now + timeoutMs
  job.waiting = { kind: 'event', name, on, timerId, expiresAt }
  if (timerId !== null && expiresAt !== null)
    setTimer(draft, { id: timerId, jobId: job.id, dueAt: expiresAt, cause: { type: 'event_timeout', timerId } })
  log(draft, 'event_awaited', {
    name,
    ...(expiresAt === null ? {} : { expires_at: new Date(expiresAt).toISOString() }),
  })
}

const consume = (draft: Draft, { id, name, data }: Signal, on: Record<string, string>): void => {
  log(draft, 'signal_consumed', { signal_id: id, name })
  draft.job.last = { status: 'event', data, error: null }
  // The guard is against a blueprint that loops by itself. Who sends an event has decided that the job goes on.
  draft.job.guardFrom = draft.job.transitions
  const to = own(on, 'event')
  if (to !== undefined) enterState(draft, to, { done: true })
  else endJob(draft, 'failed', null, { code: 'UNHANDLED_STATUS', message: `no route for the event "${name}"` })
}

const eventTimeout = { code: 'EVENT_TIMEOUT', message: 'the event did not come in time' }

export const expireEvent = (draft: Draft, timerId: string): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'event' || job.waiting.timerId !== timerId) return 'stale'
  const to = own(job.waiting.on, 'timeout')
  log(draft, 'event_timed_out', { name: job.waiting.name, error: eventTimeout })
  job.last = { status: 'timeout', data: null, error: eventTimeout }
  if (to === undefined) endJob(draft, 'failed', null, eventTimeout)
  else enterState(draft, to, { done: false })
  return 'applied'
}

/** The instant is kept by a timer, so a sleep of a year costs nothing. `last` stays as it was. */
export const sleepUntil = (draft: Draft, to: string, until: number): void => {
  const { job } = draft
  const timerId = waitTimer(draft, 'sleep')
  job.waiting = { kind: 'sleep', to, timerId, until }
  setTimer(draft, { id: timerId, jobId: job.id, dueAt: until, cause: { type: 'sleep_over', timerId } })
  log(draft, 'sleep_started', { until: new Date(until).toISOString() })
}

export const wakeUp = (draft: Draft, timerId: string): Verdict => {
  const { waiting } = draft.job
  if (waiting?.kind !== 'sleep' || waiting.timerId !== timerId) return 'stale'
  enterState(draft, waiting.to, { done: true })
  return 'applied'
}
