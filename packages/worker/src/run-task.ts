/** Runs one task and turns whatever happens into its result. */
import type { FileFacts, TaskPayload } from '@tutti/contracts'
import { failureCode } from './errors.ts'
import type { Stage } from './files/staging.ts'
import { errorMessage } from './log.ts'
import { isOutcome } from './outcome.ts'
import type { Skill, Task } from './skill.ts'

/**
 * Why a task is to end early. `lost`: somebody else holds it now, so its result would be refused.
 * `stopped`: this worker goes down at once.
 */
export type AbortCause = 'cancelled' | 'deadline' | 'lost' | 'stopped'

/** Reason of a task's signal. Named as the platform names it, so that libraries recognise it. */
export class TaskAbortedError extends Error {
  override readonly name = 'AbortError'
  readonly why: AbortCause

  constructor(why: AbortCause) {
    super(messages[why])
    this.why = why
  }
}

const messages: Record<AbortCause, string> = {
  cancelled: 'the task was cancelled',
  deadline: 'the task’s deadline has passed',
  lost: 'the task’s lease was lost',
  stopped: 'the worker was stopped',
}

/** What is sent for a task. `body` is its TaskResult as JSON, made once. */
export interface TaskAnswer {
  status: string
  body: string
  error?: string
}

/** `undefined` where an answer would be refused anyway. */
export const runTask = async (
  skill: Skill | undefined,
  payload: TaskPayload,
  task: Task,
  elapsedMs: () => number,
  stage?: Pick<Stage, 'bring' | 'send'>,
): Promise<TaskAnswer | undefined> => {
  const pointless = () => {
    const reason: unknown = task.signal.aborted ? task.signal.reason : undefined
    return reason instanceof TaskAbortedError && (reason.why === 'lost' || reason.why === 'stopped')
  }
  try {
    if (skill === undefined) return failed(payload, 'PERMANENT_ERROR', `Unsupported task: ${payload.type}`, elapsedMs())
    task.signal.throwIfAborted()
    const params = stage ? await stage.bring(payload.params, task.signal) : payload.params
    const returned = await skill.execute(params, task)
    if (pointless()) return undefined
    const { status, data } = isOutcome(returned) ? returned : { status: 'success', data: returned }
    const sent = (await stage?.send(data, task.signal)) ?? { data, metadata: {} }
    return pointless() ? undefined : succeeded(payload, { status, ...sent }, elapsedMs())
  } catch (error) {
    if (pointless()) return undefined
    const reason: unknown = task.signal.aborted ? task.signal.reason : undefined
    if (reason instanceof TaskAbortedError && reason.why === 'cancelled') {
      return answer(payload, { status: 'cancelled' }, elapsedMs())
    }
    if (reason instanceof TaskAbortedError) return failed(payload, 'TRANSIENT_ERROR', reason.message, elapsedMs())
    return failed(payload, failureCode(error), errorMessage(error), elapsedMs())
  }
}

const succeeded = (
  payload: TaskPayload,
  { status, data, metadata }: { status: string; data: unknown; metadata: Record<string, FileFacts> },
  durationMs: number,
): TaskAnswer => {
  const files = Object.keys(metadata).length > 0 ? { data_metadata: metadata } : {}
  try {
    // These would silently vanish from the body.
    if (typeof data === 'function' || typeof data === 'symbol') throw new TypeError(`it is a ${typeof data}`)
    return answer(payload, { status, data, ...files }, durationMs)
  } catch (error) {
    // Trying again would compute the same value again.
    return failed(payload, 'PERMANENT_ERROR', `What the task returned isn’t JSON: ${errorMessage(error)}`, durationMs)
  }
}

/** A failed result; also what takes the place of a result that the orchestrator refuses to read. */
export const failed = (payload: TaskPayload, code: string, message: string, durationMs: number): TaskAnswer => ({
  ...answer(payload, { status: 'failure', error: { code, message } }, durationMs),
  error: `${code}: ${message}`,
})

const answer = (
  { job_id, task_id, attempt, lease_token }: TaskPayload,
  outcome: { status: string; data?: unknown; data_metadata?: Record<string, FileFacts>; error?: object },
  durationMs: number,
): TaskAnswer => ({
  status: outcome.status,
  body: JSON.stringify({ job_id, task_id, attempt, lease_token, duration_ms: Math.max(0, durationMs), ...outcome }),
})
