/** What a worker is told about its result: to a nested one in the words of the older protocol, to a flat one in those of the newer. */
import { type OlderResultAnswer, type ResultAnswer, type TaskResult, TuttiError } from '@tutti/contracts'
import type { OutcomeAnswer } from '@tutti/engine'

/** @throws TuttiError JOB_NOT_FOUND, to workers of the older protocol */
export const resultAnswerTo = (body: TaskResult, answer: OutcomeAnswer): ResultAnswer | OlderResultAnswer => {
  const { status = 'success' } = body.result ?? body
  if (answer.status === 'ignored') {
    if (body.result && answer.reason === 'job_not_found') throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
    const reason = reasonFor(body, answer.reason)
    return { status: 'ignored', reason, message: messages[reason] }
  }
  if (body.result) return { status: answer.as === 'branch' ? 'parallel_branch_result_accepted' : olderWord(status) }
  return { status: 'accepted', transition: transitionOf(status, answer.as) }
}

/** In a batch, which only newer workers send: short. */
export const batchAnswerTo = (body: TaskResult, answer: OutcomeAnswer): ResultAnswer =>
  answer.status === 'accepted' ? { status: 'accepted' } : { status: 'ignored', reason: reasonFor(body, answer.reason) }

type Reason = NonNullable<ResultAnswer['reason']>

/** A worker without a token knows nothing of leases: to it, the task is another's. */
const reasonFor = ({ lease_token }: TaskResult, reason: Reason): Reason =>
  reason === 'lease_lost' && lease_token === undefined ? 'worker_mismatch' : reason

const messages: Record<Reason, string> = {
  job_not_found: 'There is no such job',
  stale_task: 'The job no longer waits for this try of this task',
  lease_lost: 'The lease had ended: the task is another’s, or waits for one',
  worker_mismatch: 'The task is not in the hands of this worker',
  deadline_exceeded: 'The job was not done by its deadline',
  job_cancelled: 'The job was cancelled',
  job_already_terminated: 'The job has ended',
}

const olderWord = (status: string): OlderResultAnswer['status'] => {
  if (status === 'failure') return 'result_accepted_failure'
  return status === 'cancelled' ? 'result_accepted_cancelled' : 'result_accepted_success'
}

const transitionOf = (status: string, as: 'branch' | 'unhandled' | undefined) => {
  if (as === 'branch') return 'parallel_branch_accepted'
  if (status === 'failure') return 'failure_handled'
  if (status === 'cancelled') return 'cancelled_handled'
  return as === 'unhandled' ? 'unhandled_status_failure' : 'success_transition'
}
