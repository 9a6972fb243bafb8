/** A job and the lines of its log, as clients see them. */
import type { JobEventView, JobView, WaitingFor } from '@tutti/contracts'
import type { Job, JobEvent, Waiting } from '@tutti/engine'
import type { WriteInstant } from './instant.ts'

export const jobView = (job: Job, instant: WriteInstant): JobView => ({
  id: job.id,
  blueprint: job.blueprint,
  version: job.version,
  status: job.status,
  current_state: job.state,
  input: job.input,
  data: job.data,
  result: job.output,
  error: job.error,
  waiting_for: waitingFor(job.waiting, instant),
  progress: job.progress,
  progress_message: job.progressMessage,
  priority: job.priority,
  tags: job.tags,
  metadata: job.metadata,
  parent_job_id: job.parentId,
  seq: job.seq,
  created_at: instant(job.createdAt),
  updated_at: instant(job.updatedAt),
  finished_at: job.finishedAt === null ? null : instant(job.finishedAt),
  deadline_at: job.deadlineAt === null ? null : instant(job.deadlineAt),
})

const waitingFor = (waiting: Waiting | null, instant: WriteInstant): WaitingFor | null => {
  switch (waiting?.kind) {
    case undefined:
      return null
    case 'task':
      return { kind: 'task', task_id: waiting.task.id, skill: waiting.task.skill, attempt: waiting.task.attempt }
    case 'parallel': {
      const count = (status: 'done' | 'failed'): number =>
        waiting.branches.filter((branch) => branch.status === status).length
      return {
        kind: 'parallel',
        into: waiting.into,
        total: waiting.branches.length,
        done: count('done'),
        failed: count('failed'),
      }
    }
    case 'approval':
      return {
        kind: 'approval',
        message: waiting.message,
        // The route of the clock is nothing that a person can choose.
        decisions: Object.keys(waiting.on).filter((decision) => decision !== 'timeout'),
        expires_at: waiting.expiresAt === null ? null : instant(waiting.expiresAt),
      }
    case 'event':
      return {
        kind: 'event',
        name: waiting.name,
        expires_at: waiting.expiresAt === null ? null : instant(waiting.expiresAt),
      }
    case 'sleep':
      return { kind: 'sleep', until: instant(waiting.until) }
    case 'child':
      return { kind: 'child', job_id: waiting.childId }
  }
}

export const eventView = (event: JobEvent, instant: WriteInstant): JobEventView => ({
  event_id: `${event.jobId}:${event.seq}`,
  job_id: event.jobId,
  seq: event.seq,
  timestamp: instant(event.at),
  event_type: event.type,
  state: event.state,
  data: event.data,
})
