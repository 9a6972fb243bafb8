/** Waiting for a person: one decision counts, others are told in turn while nobody decides, and time may decide in the end. */
import type { Action } from '../blueprint/action.ts'
import type { Cause } from '../job/cause.ts'
import type { Waiting } from '../job/job.ts'
import { endJob, enterState } from './course.ts'
import { type Draft, log, own, setTimer, tell } from './draft.ts'
import { escalationTimer, waitTimer } from './leave.ts'
import type { Verdict } from './transition.ts'

type Approval = Waiting & { kind: 'approval' }

export const requestApproval = (draft: Draft, action: Action & { kind: 'approval' }): void => {
  const { job, env } = draft
  const { message, on, timeoutMs, assignees } = action
  const timerId = timeoutMs === null ? null : waitTimer(draft, 'approval')
  const expiresAt = timeoutMs === null ? null : env.now + timeoutMs
  const escalate = action.escalate.map(({ afterMs, to }) => ({ at: env.now + afterMs, to })).sort((a, b) => a.at - b.at)
  const waiting: Approval = {
    kind: 'approval',
    message,
    on,
    assignees,
    timerId,
    expiresAt,
    escalate,
    escalated: 0,
  }
  job.waiting = waiting
  if (timerId !== null && expiresAt !== null)
    setTimer(draft, { id: timerId, jobId: job.id, dueAt: expiresAt, cause: { type: 'approval_timeout', timerId } })
  expectEscalation(draft, waiting)
  log(draft, 'approval_requested', requestOf(waiting))
  tell(draft, 'approval_requested', requestOf(waiting))
}

const requestOf = ({ message, on, assignees, expiresAt }: Approval) => ({
  message,
  decisions: decisionsOf(on),
  assignees,
  expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
})

/** What a person can decide: `timeout` is a route for the clock. */
const decisionsOf = (on: Record<string, string>): string[] => Object.keys(on).filter((each) => each !== 'timeout')

const expectEscalation = (draft: Draft, { escalate, escalated: step }: Approval): void => {
  const next = escalate[step]
  if (!next) return
  const cause = { type: 'approval_escalation', step, at: next.at } as const
  setTimer(draft, { id: escalationTimer(draft, step), jobId: draft.job.id, dueAt: next.at, cause })
}

export const escalateApproval = (draft: Draft, { step, at }: Cause & { type: 'approval_escalation' }): Verdict => {
  const { waiting } = draft.job
  if (waiting?.kind !== 'approval' || waiting.escalated !== step) return 'stale'
  const due = waiting.escalate[step]
  if (due?.at !== at) return 'stale'
  waiting.escalated += 1
  log(draft, 'approval_escalated', { to: due.to, step: step + 1 })
  tell(draft, 'approval_escalated', { ...requestOf(waiting), to: due.to, step: step + 1 })
  expectEscalation(draft, waiting)
  return 'applied'
}

export const decideApproval = (draft: Draft, cause: Cause & { type: 'approval' }): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'approval') return 'not_waiting'
  const to = cause.decision === 'timeout' ? undefined : own(job.waiting.on, cause.decision)
  if (to === undefined) return 'invalid_decision'
  const answer = {
    decision: cause.decision,
    by: cause.by,
    ...(cause.comment === null ? {} : { comment: cause.comment }),
  }
  log(draft, 'approval_received', answer)
  job.last = { status: cause.decision, data: answer, error: null }
  enterState(draft, to, { done: true })
  return 'applied'
}

const approvalTimeout = { code: 'APPROVAL_TIMEOUT', message: 'nobody decided in time' }

export const expireApproval = (draft: Draft, timerId: string): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'approval' || job.waiting.timerId !== timerId) return 'stale'
  const to = own(job.waiting.on, 'timeout')
  log(draft, 'approval_timed_out', { error: approvalTimeout })
  job.last = { status: 'timeout', data: null, error: approvalTimeout }
  if (to === undefined) endJob(draft, 'failed', null, approvalTimeout)
  else enterState(draft, to, { done: false })
  return 'applied'
}
