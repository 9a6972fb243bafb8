import type { TaskPayload } from '@tutti/contracts'
import type { Engine, LeasedTask, WorkerRecord } from '@tutti/engine'
import { skillFacts } from '../worker-api/declaration.ts'

/**
 * A task as it is handed to a worker, in the words of both generations; what there is nothing to say about is left out.
 * @param worker where its own words on the skill are to be told back to it
 */
export const taskPayload = (
  { task, token, deadlineAt }: LeasedTask,
  { settings }: Pick<Engine, 'settings'>,
  worker?: WorkerRecord,
): TaskPayload => ({
  job_id: task.jobId,
  task_id: task.id,
  type: task.skill,
  params: task.params,
  priority: task.priority,
  attempt: task.attempt,
  lease_token: token,
  lease_seconds: settings.taskLeaseMs / 1000,
  ...(deadlineAt === null ? {} : { deadline: deadlineAt / 1000 }),
  tracing_context: task.trace === null ? {} : { traceparent: task.trace },
  ...(worker ? skillFacts(worker, task.skill) : {}),
  timestamp: Math.floor(Date.now() / 1000),
})
