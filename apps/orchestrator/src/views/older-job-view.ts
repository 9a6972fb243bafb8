/**
 * One job in the words of both generations of clients. The names of the older ones stand beside ours; `fields` picks, and without
 * details only what the later generation calls the job in brief is told.
 */
import { isTerminal, type Json, type JsonObject } from '@tutti/contracts'
import type { Job } from '@tutti/engine'
import type { WriteInstant } from './instant.ts'
import { jobView } from './job-view.ts'

/** What is told of a job whose details are off. */
const brief = ['id', 'job_id', 'status', 'blueprint_name', 'current_state', 'context_snapshot', 'child_job_id']

export const fullJobView = (job: Job, instant: WriteInstant): JsonObject => ({
  ...(jobView(job, instant) as unknown as JsonObject),
  job_id: job.id,
  blueprint_name: job.blueprint,
  initial_data: job.input,
  state_history: job.data,
  child_job_id: job.waiting?.kind === 'child' ? job.waiting.childId : null,
  current_task_id: job.waiting?.kind === 'task' ? job.waiting.task.id : null,
  error_message: job.error?.message ?? null,
  retry_count: job.attempt,
  webhook_url: job.webhook?.url ?? null,
})

export interface Selection {
  /** null: all. The id is always told. */
  fields: string[] | null
  detailed: boolean
}

export const selectJobView = (job: Job, instant: WriteInstant, { fields, detailed }: Selection): JsonObject => {
  const full = fullJobView(job, instant)
  const known: JsonObject = detailed
    ? full
    : {
        ...pick(full, brief),
        context_snapshot: pick(full, ['id', 'status', 'blueprint_name', 'current_state', 'child_job_id']),
        ...(isTerminal(job.status) ? { result: job.output } : {}),
      }
  return fields === null ? known : pick(known, ['id', ...fields])
}

const pick = (view: JsonObject, names: string[]): JsonObject =>
  Object.fromEntries(
    [...new Set(names)]
      .filter((name) => Object.hasOwn(view, name))
      .map((name): [string, Json] => [name, view[name] ?? null]),
  )
