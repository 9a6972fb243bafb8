import type { TaskPayload } from '@tutti/contracts'
import type { LeasedTask } from '@tutti/engine'

/** A task as it is handed to a worker. */
export const taskPayload = ({ task, token, deadlineAt }: LeasedTask, leaseMs: number): TaskPayload => ({
  job_id: task.jobId,
  task_id: task.id,
  type: task.skill,
  params: task.params,
  priority: task.priority,
  attempt: task.attempt,
  lease_token: token,
  lease_seconds: leaseMs / 1000,
  deadline: deadlineAt === null ? null : deadlineAt / 1000,
})
