/** What a task tells while it runs, in the words of either generation, made into one form. */

import type { JsonObject } from '@tutti/contracts'
import { json, progressEvent, workerEvent } from '@tutti/contracts'
import { z } from 'zod'
import { withoutNulls } from './without-nulls.ts'

export type TaskNews =
  | { kind: 'progress'; jobId: string; taskId: string; progress: number; message: string | null }
  | { kind: 'event'; id: string | undefined; jobId: string; taskId: string; type: string; payload: JsonObject }
  /** It is about no task. */
  | { kind: 'other'; type: string }

export const taskNews = z.discriminatedUnion('event', [
  progressEvent,
  // The key is the older form's own; by its absence the newer one is told.
  workerEvent.extend({ event: z.undefined().optional() }),
])

/** The older workers call the key `type` that should be `event`; and null means absent. */
export const tidyFrame = (body: unknown): unknown => {
  const tidy = withoutNulls(body)
  if (typeof tidy !== 'object' || tidy === null) return tidy
  return 'type' in tidy && tidy.type === 'progress_update' ? { event: tidy.type, ...tidy } : tidy
}

export const newsOf = (frame: z.output<typeof taskNews>): TaskNews => {
  if (!('event_type' in frame)) {
    const { job_id, task_id, progress, message } = frame
    return { kind: 'progress', jobId: job_id, taskId: task_id, progress, message: message ?? null }
  }
  const { event_type: type, payload, target_job_id, target_task_id, origin_task_id } = frame
  const jobId = z.uuid().safeParse(target_job_id)
  const taskId = target_task_id ?? origin_task_id
  if (!jobId.success || taskId === undefined) return { kind: 'other', type }
  const at = { jobId: jobId.data, taskId }
  const how = type === 'progress' ? progressPayload.safeParse(withoutNulls(payload)) : undefined
  if (how?.success) return { kind: 'progress', ...at, progress: how.data.progress, message: how.data.message ?? null }
  return { kind: 'event', id: frame.event_id, ...at, type, payload }
}

const progressPayload = z.object({
  progress: z.number().min(0).max(1),
  message: json.transform((value) => (typeof value === 'string' ? value.slice(0, 1000) : undefined)).optional(),
})
