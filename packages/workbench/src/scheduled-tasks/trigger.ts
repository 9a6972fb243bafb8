/** A run now, beside the plan. */
import type { ScheduledTaskTriggered } from '@tutti/contracts'
import type { ScheduledTaskDeps } from './deps.ts'
import { SCHEDULED_TASK } from './names.ts'
import { findTask, scheduleIdOf } from './rows.ts'
import { sendMessage } from './send.ts'

/**
 * The job is one of the schedule, so that an instant that comes due meanwhile sees it at work.
 * @throws TuttiError SCHEDULED_TASK_NOT_FOUND, and whatever POST /api/v1/tasks refuses the message with
 */
export const trigger = async (
  deps: ScheduledTaskDeps,
  userId: string,
  taskId: string,
): Promise<ScheduledTaskTriggered> => {
  const task = await findTask(deps.database, userId, taskId)
  const jobId = deps.newId()
  const dueAt = deps.now()
  await deps.engine.create([
    {
      ...{ id: jobId, blueprint: SCHEDULED_TASK, client: userId, input: { task_id: taskId, manual: true } },
      origin: { kind: 'schedule', scheduleId: scheduleIdOf(task), dueAt },
    },
  ])
  // The job has sent it, or is about to: either way this is the same message.
  const sent = await sendMessage(deps, { userId, taskId, jobId, dueAt: new Date(dueAt), manual: true })
  if (sent.kind === 'refused') throw sent.error
  if (sent.kind === 'skipped') throw new Error(`a triggered task was not sent: ${sent.reason}`)
  return { session_id: sent.sessionId, run_id: sent.runId, queued: sent.queued }
}
