/** The worker protocol: how a worker in any language registers, takes tasks and answers them. */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const workerId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/, 'letters, digits, - and _ only')

const skillNames = z.array(z.string().max(256)).max(10_000)
/** Skills by name, or as objects that carry at least a name. */
const skillList = z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).max(10_000)

/**
 * What a worker tells of its skills, in the words of either generation. `available` are those it has room for now, `hot` those
 * it is warmed up for, `skills_hash` stands for the whole list, so that it need not be sent with each sign of life.
 */
const skillWords = {
  supported_skills: skillList.optional(),
  /** The same under its older name. */
  supported_tasks: skillNames.optional(),
  available_skills: skillNames.optional(),
  hot_skills: skillNames.optional(),
  skills_hash: z.string().max(256).optional(),
}

/** POST /_worker/workers/register. Unknown fields are kept and shown, never interpreted. */
export const registerWorker = z.looseObject({
  worker_id: workerId,
  worker_type: z.string().max(128).default('generic'),
  ...skillWords,
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
  /** `idle`, `busy`, `active`, or `draining`: no more tasks, please. Others are kept and shown. */
  status: z.string().max(64).optional(),
  load: z.number().optional(),
  /** Tasks that the worker is working on; absent means "all you gave me". */
  current_tasks: z.array(z.string()).max(10_000).optional(),
  ...skillWords,
})
export type Heartbeat = z.infer<typeof heartbeat>

/** To a heartbeat of the older protocol the answer is the worker’s record, a `WorkerView`, instead. */
export const heartbeatAnswer = z.object({
  status: z.enum(['ok', 'ttl_refreshed']),
  /** The skills that are known here are not those of `skills_hash`: send `supported_skills` with the next heartbeat. */
  require_full_sync: z.literal(true).optional(),
  /** Tasks of `current_tasks` that are no longer this worker’s: stop them, their result would be refused. */
  cancel_task_ids: z.array(z.string()).optional(),
})
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>

/** GET /_worker/workers/{id}/tasks/next. Without `max` the answer is one task (200) or nothing (204). */
export const pollQuery = z.object({
  max: z.coerce.number().int().min(1).max(1000).optional(),
  timeout: z.coerce.number().min(0).max(300).optional(),
  /** Names with commas between: take tasks of these skills only. */
  skills: z.string().max(100_000).optional(),
  /** The same, in the words of the newer protocol; an empty one says nothing. */
  available_skills: z.string().max(100_000).optional(),
  /** Skills that the worker is warmed up for. */
  hot_skills: z.string().max(100_000).optional(),
})

/** What is known of a file. What is not known is left out. */
export const fileFacts = z.looseObject({
  uri: z.string().optional(),
  /** Bytes. */
  size: z.number().nonnegative().optional(),
  /** Of the content, hex. */
  sha256: z.string().optional(),
  etag: z.string().optional(),
})
export type FileFacts = z.infer<typeof fileFacts>

export const taskPayload = z.object({
  job_id: z.uuid(),
  task_id: z.string(),
  type: z.string(),
  params: jsonObject,
  /** Of the files that stand in `params` as addresses, by the place of the address: `images[0].source`. */
  params_metadata: z.record(z.string(), fileFacts).optional(),
  priority: z.number(),
  /** Which try this is, from 1. Send it back with the result: an answer of an older try is refused. */
  attempt: z.int().min(1),
  /** Fencing token of this hand-out; send it back with the result. */
  lease_token: z.string(),
  /** Seconds the lease lasts without a heartbeat. */
  lease_seconds: z.number(),
  /** Unix seconds at which the try counts as lost and is handed out again; absent without a time-out. */
  deadline: z.number().optional(),
  /** W3C trace context of the step that made the task; empty when there is none. */
  tracing_context: z.object({ traceparent: z.string().optional() }),
  /** Of the skill as this worker registered it. */
  skill_version: z.string().optional(),
  skill_type: z.string().optional(),
  /** Unix seconds of the hand-out, by the server’s clock. */
  timestamp: z.int(),
})
export type TaskPayload = z.infer<typeof taskPayload>
export const taskBatch = z.object({ tasks: z.array(taskPayload) })

export const taskErrorCode = z.string().max(64)
/**
 * `PERMANENT_ERROR`, `SECURITY_ERROR`, `DEPENDENCY_ERROR` and `CONTRACT_VIOLATION_ERROR` quarantine, `INVALID_INPUT_ERROR` and
 * `INTEGRITY_MISMATCH_ERROR` fail, all others are tried again.
 */
export const taskError = z.union([
  z.string(),
  z.object({
    code: taskErrorCode.default('TRANSIENT_ERROR'),
    message: z.string().default(''),
    details: json.optional(),
  }),
])

const outcome = {
  status: z.string().min(1).max(64).default('success'),
  data: json.optional(),
  error: taskError.optional(),
}

/** POST /_worker/tasks/result, nested (the older protocol) or flat. */
export const taskResult = z.looseObject({
  job_id: z.string().min(1).max(128),
  task_id: z.string().min(1).max(128),
  worker_id: workerId.optional(),
  attempt: z.int().optional(),
  lease_token: z.string().optional(),
  duration_ms: z.number().nonnegative().optional(),
  /** Of the files that stand in `data` as addresses, by the place of the address. */
  data_metadata: z.record(z.string(), fileFacts).optional(),
  result: z.object(outcome).optional(),
  status: outcome.status.unwrap().optional(),
  data: outcome.data,
  error: outcome.error,
})
export type TaskResult = z.input<typeof taskResult>

/** What became of a result. `ignored` is final: sending it again changes nothing. */
export const resultAnswer = z.object({
  status: z.enum(['accepted', 'ignored']),
  /** What an accepted result did to the job. */
  transition: z
    .enum([
      'success_transition',
      'failure_handled',
      'cancelled_handled',
      'parallel_branch_accepted',
      'unhandled_status_failure',
    ])
    .optional(),
  reason: z
    .enum([
      'job_not_found',
      'stale_task',
      'lease_lost',
      'worker_mismatch',
      'deadline_exceeded',
      'job_cancelled',
      'job_already_terminated',
    ])
    .optional(),
  message: z.string().optional(),
})
export type ResultAnswer = z.infer<typeof resultAnswer>

/** The answer to a nested result that counted, in the words of the older protocol; one that didn’t is `ignored` as above. */
export const olderResultAnswer = z.object({
  status: z.enum([
    'result_accepted_success',
    'result_accepted_failure',
    'result_accepted_cancelled',
    'parallel_branch_result_accepted',
  ]),
})
export type OlderResultAnswer = z.infer<typeof olderResultAnswer>

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

/**
 * POST /_worker/events, and the same as a WebSocket text frame: anything else that a task has to tell while it runs. The type
 * `progress` is a progress event with `progress` and `message` in its payload. Unknown fields are tolerated.
 */
export const workerEvent = z.looseObject({
  /** An event whose id the task has had counts as told: send it again when there was no answer. */
  event_id: z.string().min(1).max(128).optional(),
  worker_id: workerId.optional(),
  event_type: z.string().min(1).max(128),
  payload: jsonObject.default({}),
  /** Without a task, an event is only noted in the log of the server. */
  target_job_id: z.string().max(128).optional(),
  target_task_id: z.string().max(128).optional(),
  /** The task it comes from, where no target is named. */
  origin_task_id: z.string().max(128).optional(),
})
export type WorkerEvent = z.input<typeof workerEvent>

/** Of a task in the worker's hands. With the lease token, an older hand-out of the same task is refused. */
const heldTask = { job_id: z.uuid(), lease_token: z.string().max(256).optional() }

/**
 * GET /_worker/tasks/{task_id}/files/download. `uri` is an address that stands in the params of the task, or lies below a folder that
 * does, or in the files of the task's job or its parent.
 */
export const taskFileQuery = z.object({ ...heldTask, uri: z.string().min(1).max(2048) })
/** GET the bytes from `url`; it needs no token. */
export const taskFileDownload = z.object({
  url: z.string(),
  /** Seconds. */
  expires_in: z.number(),
  /** Bytes. */
  size: z.number(),
  /** Of the content, hex; null where the storage was not told it. */
  sha256: z.string().nullable(),
})
export type TaskFileDownload = z.infer<typeof taskFileDownload>

/** GET /_worker/tasks/{task_id}/files: what lies in a folder. `uri` ends with a slash. */
export const taskFolderQuery = taskFileQuery.extend({ cursor: z.string().max(1024).optional() })
export const taskFolderPage = z.object({
  /** `name` is relative to the folder. */
  items: z.array(z.object({ name: z.string(), uri: z.string(), size: z.number() })),
  next_cursor: z.string().nullable(),
})
export type TaskFolderPage = z.infer<typeof taskFolderPage>

/** POST /_worker/tasks/{task_id}/files/upload. */
export const taskFileOffer = z.looseObject({
  ...heldTask,
  worker_id: workerId.optional(),
  /** Relative; may hold slashes. */
  filename: z.string().min(1).max(1024),
  /** Bytes. */
  size: z.int().nonnegative().optional(),
  /** Of the content, hex. It is kept with the file, and whoever reads that is told when it has become another. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'SHA-256 in hex')
    .optional(),
})
export type TaskFileOffer = z.input<typeof taskFileOffer>
/** PUT the bytes to `url` with these headers; it needs no token. The file then has the address `uri`. */
export const taskFileUpload = z.object({
  url: z.string(),
  method: z.literal('PUT'),
  headers: z.record(z.string(), z.string()),
  uri: z.string(),
  /** Seconds. */
  expires_in: z.number(),
})
export type TaskFileUpload = z.infer<typeof taskFileUpload>

/** POST /_worker/auth/token and /_worker/auth/token/refresh: short-lived tokens in place of the worker’s own. */
export const issuedTokens = z.object({
  access_token: z.string(),
  /** Good once: each refresh brings another. One that comes a second time ends all that came from the same sign-in. */
  refresh_token: z.string(),
  /** Seconds. */
  expires_in: z.int(),
  worker_id: z.string(),
})
export type IssuedTokens = z.infer<typeof issuedTokens>
export const refreshTokens = z.looseObject({ refresh_token: z.string().min(1).max(512) })

/** Server to worker over the WebSocket /_worker/ws/{worker_id}. */
export const workerCommand = z.object({ command: z.literal('cancel_task'), task_id: z.string(), job_id: z.uuid() })
export type WorkerCommand = z.infer<typeof workerCommand>

/** POST /api/v1/workers/{id}/drain */
export const drainWorker = z.object({ drained: z.boolean().default(true) }).default({ drained: true })

export const workerView = z.looseObject({
  worker_id: z.string(),
  worker_type: z.string(),
  status: z.string(),
  supported_skills: z.array(z.string()),
  /** By an operator: it gets no more tasks. */
  drained: z.boolean(),
  /** From 0 to 1: what its results have earned it. */
  reputation: z.number(),
  registered_at: z.string(),
  last_seen_at: z.string(),
})
export type WorkerView = z.infer<typeof workerView>
