import type { TaskPayload } from '@tutti/contracts'
import type { Engine, LeasedTask, WorkerRecord } from '@tutti/engine'
import { skillFacts } from '../worker-api/declaration.ts'

/** A task as it is handed to a worker, in the words of both generations; what there is nothing to say about is left out. */
export const taskPayload = (
  { task, token, expiresAt, deadlineAt }: LeasedTask,
  worker: WorkerRecord,
  { settings }: Pick<Engine, 'settings'>,
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
  ...skillFacts(worker, task.skill),
  timestamp: Math.floor((expiresAt - settings.taskLeaseMs) / 1000),
})
