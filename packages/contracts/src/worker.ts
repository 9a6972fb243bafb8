/** The worker protocol: how a worker in any language registers, takes tasks and answers them. */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const workerId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, - and _ only')

/** POST /_worker/workers/register. Unknown fields are kept and shown, never interpreted. */
export const registerWorker = z.looseObject({
  worker_id: workerId,
  worker_type: z.string().max(128).default('generic'),
  /** Skills by name, or as objects that carry at least a name. */
  supported_skills: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).optional(),
  /** The same under its older name. */
  supported_tasks: z.array(z.string()).optional(),
  max_concurrent_tasks: z.int().min(1).max(10_000).optional(),
  /**
   * New at every start of the worker process. When it changes, what the former process held is handed out again at once
   * instead of when its lease ends.
   */
  boot_id: z.string().max(128).optional(),
})
export type RegisterWorker = z.input<typeof registerWorker>

export const registered = z.object({
  status: z.literal('registered'),
  version: z.string(),
  warning: z.string().nullable(),
  heartbeat_seconds: z.number().positive(),
})
export type Registered = z.infer<typeof registered>

/** PATCH /_worker/workers/{id}. An empty body only says "alive". */
export const heartbeat = z.looseObject({
  status: z.enum(['idle', 'busy', 'draining', 'active']).optional(),
  load: z.number().optional(),
  /** Tasks that the worker is working on; absent means "all you gave me". */
  current_tasks: z.array(z.string()).max(10_000).optional(),
})
export type Heartbeat = z.infer<typeof heartbeat>

export const heartbeatAnswer = z.object({
  status: z.enum(['ok', 'ttl_refreshed']),
  /** Tasks of `current_tasks` that are no longer this worker’s: stop them, their result would be refused. */
  cancel_task_ids: z.array(z.string()).optional(),
})
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>

/** GET /_worker/workers/{id}/tasks/next. Without `max` the answer is one task (200) or nothing (204). */
export const pollQuery = z.object({
  max: z.coerce.number().int().min(1).max(1000).optional(),
  timeout: z.coerce.number().min(0).max(300).optional(),
})

export const taskPayload = z.object({
  job_id: z.uuid(),
  task_id: z.string(),
  type: z.string(),
  params: jsonObject,
  priority: z.number(),
  /** Which try this is, from 1. Send it back with the result: an answer of an older try is refused. */
  attempt: z.int().min(1),
  /** Fencing token of this hand-out; send it back with the result. */
  lease_token: z.string(),
  /** Seconds the lease lasts without a heartbeat. */
  lease_seconds: z.number(),
  /** Unix seconds at which the try counts as lost and is handed out again; null without a time-out. */
  deadline: z.number().nullable(),
})
export type TaskPayload = z.infer<typeof taskPayload>
export const taskBatch = z.object({ tasks: z.array(taskPayload) })

export const taskErrorCode = z.string().max(64)
/** `TRANSIENT_ERROR` retries, `PERMANENT_ERROR` quarantines, `INVALID_INPUT_ERROR` fails; others count as transient. */
export const taskError = z.union([
  z.string(),
  z.object({ code: taskErrorCode.default('TRANSIENT_ERROR'), message: z.string().default('') }),
])

const outcome = {
  status: z.string().min(1).max(64).default('success'),
  data: json.optional(),
  error: taskError.optional(),
}

/** POST /_worker/tasks/result, nested or flat. */
export const taskResult = z.looseObject({
  job_id: z.uuid(),
  task_id: z.string(),
  worker_id: workerId.optional(),
  attempt: z.int().optional(),
  lease_token: z.string().optional(),
  duration_ms: z.number().nonnegative().optional(),
  result: z.object(outcome).optional(),
  status: outcome.status.unwrap().optional(),
  data: outcome.data,
  error: outcome.error,
})
export type TaskResult = z.input<typeof taskResult>

/** What became of a result. `ignored` is final: sending it again changes nothing. */
export const resultAnswer = z.object({
  status: z.enum(['accepted', 'ignored']),
  reason: z.enum(['job_not_found', 'stale_task', 'lease_lost', 'worker_mismatch', 'job_already_terminated']).optional(),
})
export type ResultAnswer = z.infer<typeof resultAnswer>

/** POST /_worker/tasks/results: many results, and a request for the next tasks, in one call. */
export const resultBatch = z.object({
  worker_id: workerId,
  results: z.array(taskResult).min(1).max(1000),
  /** Take up to this many tasks with the answer. */
  next: z.int().min(0).max(1000).default(0),
})
export const resultBatchAnswer = z.object({ results: z.array(resultAnswer), tasks: z.array(taskPayload) })
export type ResultBatchAnswer = z.infer<typeof resultBatchAnswer>

/** POST /_worker/events, and the same as a WebSocket text frame: progress of a task. */
export const progressEvent = z.object({
  event: z.literal('progress_update'),
  /** Needed over HTTP unless X-Worker-ID says it; over the WebSocket the connection does. */
  worker_id: workerId.optional(),
  task_id: z.string(),
  job_id: z.uuid(),
  progress: z.number().min(0).max(1),
  message: z.string().max(1000).optional(),
})
export type ProgressEvent = z.infer<typeof progressEvent>

/** Server to worker over the WebSocket /_worker/ws/{worker_id}. */
export const workerCommand = z.object({ command: z.literal('cancel_task'), task_id: z.string(), job_id: z.uuid() })
export type WorkerCommand = z.infer<typeof workerCommand>

export const workerView = z.looseObject({
  worker_id: z.string(),
  worker_type: z.string(),
  status: z.string(),
  supported_skills: z.array(z.string()),
  registered_at: z.string(),
  last_seen_at: z.string(),
})
export type WorkerView = z.infer<typeof workerView>
