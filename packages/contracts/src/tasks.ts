/** Messages to a session: a task begins a turn, or waits for its turn, or steers the one at work. */
import { z } from 'zod'
import { instant } from './json.ts'
import { scheduleMode } from './schedule-mode.ts'
import { runStatus } from './session-runs.ts'
import { inputFile, taskConfigPatch } from './task-config.ts'
import { permissionMode } from './turn.ts'

const prompt = z.string().trim().min(1).max(1_000_000)

/** Chosen by the client: a request that it sends again with the same id is answered again, and done once. */
export const clientRequestId = z
  .string()
  .min(1)
  .max(128)
  // It is kept in a database that can hold none.
  .refine((id) => !id.includes('\0'), 'it holds a NUL')

/** Where a session was begun, in its client's own words: `tutti run` says `HOST:FOLDER`. Nobody reads more into it. */
export const origin = z
  .string()
  .min(1)
  .max(1024)
  // It is kept in a database that can hold none.
  .refine((text) => !text.includes('\0'), 'it holds a NUL')

/** POST /api/v1/tasks: a message for a new session, or for the one named. */
export const createTask = z.object({
  prompt,
  session_id: z.uuid().nullish(),
  project_id: z.uuid().nullish(),
  /** Of a new session. */
  origin: origin.nullish(),
  permission_mode: permissionMode.default('default'),
  config: taskConfigPatch.nullish(),
  /** `immediate` where nothing is said, `scheduled` (at `scheduled_at`), `nightly`, or a mode of the operator's own: it waits until a manager's window for it is open. */
  schedule_mode: scheduleMode.optional(),
  /** ISO 8601; without an offset it is read in `timezone`, an IANA name, or UTC. */
  scheduled_at: z.string().trim().max(64).nullish(),
  timezone: z.string().trim().max(64).nullish(),
  /** Sending the same request twice with the same id gives the same run. */
  client_request_id: clientRequestId.nullish(),
})
export type CreateTask = z.input<typeof createTask>

export const taskCreated = z.object({
  session_id: z.uuid(),
  /** `queued_query`: the session is busy, the message waits for the turn before it. */
  accepted_type: z.enum(['run', 'queued_query']),
  run_id: z.uuid().nullable(),
  queue_item_id: z.uuid().nullable(),
  /** Of the run, or of the queue item. */
  status: z.union([runStatus, z.enum(['paused', 'promoted'])]),
  /** Messages of the session that wait, this one included. */
  queued_query_count: z.int(),
})
export type TaskCreated = z.infer<typeof taskCreated>

/** POST /api/v1/sessions/{id}/messages/steer: something to say to the agent while it works. */
export const steerSession = z.object({
  prompt: z.string().trim().min(1).max(100_000),
  /** Sending the same request twice with the same id says it once. */
  client_request_id: clientRequestId.optional(),
})
export type SteerSession = z.input<typeof steerSession>

/** POST /api/v1/sessions/{id}/interrupt. With `run_id` only that run is meant, and another one that is at work by then goes on. */
export const interruptSession = z.strictObject({
  run_id: z.uuid().optional(),
  client_request_id: clientRequestId.optional(),
})
export type InterruptSession = z.input<typeof interruptSession>

/** `run_id` is null where nothing was at work. */
export const sessionInterrupted = z.object({ session_id: z.uuid(), run_id: z.uuid().nullable() })
export type SessionInterrupted = z.infer<typeof sessionInterrupted>

/** `command`: the run at work will hear it. Without one it was taken as POST /api/v1/tasks takes it. */
export const steerAnswer = z.union([
  z.object({
    session_id: z.uuid(),
    accepted_type: z.literal('command'),
    run_id: z.uuid(),
    command_id: z.uuid(),
  }),
  taskCreated,
])
export type SteerAnswer = z.infer<typeof steerAnswer>

export const queueItemStatus = z.enum(['queued', 'paused', 'promoted', 'canceled'])

/** A message typed while the agent was busy. `paused`: the turn before it failed; nothing goes on by itself. */
export const queueItemView = z.object({
  queue_item_id: z.uuid(),
  session_id: z.uuid(),
  sequence_no: z.int(),
  status: queueItemStatus,
  prompt: z.string(),
  permission_mode: permissionMode,
  attachments: z.array(inputFile),
  client_request_id: z.string().nullable(),
  linked_run_id: z.uuid().nullable(),
  linked_user_message_id: z.int().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type QueueItemView = z.infer<typeof queueItemView>

/** PATCH /api/v1/sessions/{id}/queued-queries/{item} */
export const patchQueueItem = z.strictObject({
  prompt: prompt.optional(),
  attachments: z.array(inputFile).max(1000).optional(),
})
export type PatchQueueItem = z.infer<typeof patchQueueItem>
