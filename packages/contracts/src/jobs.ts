/** The client API of the orchestrator: jobs, their history, approvals, blueprints. */
import { z } from 'zod'
import { instant, json, jsonObject, name } from './json.ts'

export const jobStatus = z.enum([
  'pending',
  'running',
  'waiting_for_worker',
  'waiting_for_human',
  'waiting_for_parallel',
  'waiting_for_child',
  'waiting_for_event',
  'sleeping',
  'awaiting_retry',
  'paused',
  'finished',
  'failed',
  'cancelled',
  'quarantined',
  'error',
])
export type JobStatus = z.infer<typeof jobStatus>

/** Final: no later result, retry or timer changes a job in one of these. */
export const terminalStatuses = [
  'finished',
  'failed',
  'cancelled',
  'quarantined',
  'error',
] as const satisfies JobStatus[]
export const isTerminal = (status: JobStatus): boolean => (terminalStatuses as readonly JobStatus[]).includes(status)

export const tags = z.array(z.string().min(1).max(64)).max(32)

const jobOptions = {
  priority: z.number().min(-1000).max(1000).optional(),
  tags: tags.optional(),
  metadata: jsonObject.optional(),
  /** Seconds from creation after which the job fails, whatever it is doing. */
  deadline_seconds: z.number().positive().optional(),
  /** Chosen by the caller: creating a job under an id that exists answers with the job that is there. */
  id: z.uuid().optional(),
}

/** POST /api/v1/jobs */
export const createJob = z.object({ blueprint: name, input: jsonObject.default({}), ...jobOptions })
export type CreateJob = z.input<typeof createJob>

/** POST /api/v1/jobs/batch */
export const createJobs = z.object({ jobs: z.array(createJob).min(1).max(1000) })

/** POST to a blueprint’s own endpoint, /api/<version>/<endpoint>. */
export const createAtEndpoint = z.object({ initial_data: jsonObject.default({}), ...jobOptions })

export const jobAccepted = z.object({ status: z.literal('accepted'), job_id: z.uuid() })
export type JobAccepted = z.infer<typeof jobAccepted>
export const jobsAccepted = z.object({ jobs: z.array(jobAccepted) })

export const jobError = z.object({ code: z.string(), message: z.string(), details: json.optional() })
export type JobError = z.infer<typeof jobError>

/** What a job waits for, as a person or a console needs it. */
export const waitingFor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('task'), task_id: z.string(), skill: z.string(), attempt: z.int() }),
  z.object({ kind: z.literal('parallel'), into: z.string(), total: z.int(), done: z.int(), failed: z.int() }),
  z.object({
    kind: z.literal('approval'),
    message: z.string(),
    decisions: z.array(z.string()),
    expires_at: instant.nullable(),
  }),
  z.object({ kind: z.literal('child'), job_id: z.uuid() }),
])
export type WaitingFor = z.infer<typeof waitingFor>

export const jobView = z.object({
  id: z.uuid(),
  blueprint: z.string(),
  version: z.int(),
  status: jobStatus,
  current_state: z.string(),
  input: jsonObject,
  /** What results and handlers have added so far. */
  data: jsonObject,
  result: json.nullable(),
  error: jobError.nullable(),
  waiting_for: waitingFor.nullable(),
  progress: z.number().min(0).max(1).nullable(),
  progress_message: z.string().nullable(),
  priority: z.number(),
  tags,
  metadata: jsonObject,
  parent_job_id: z.uuid().nullable(),
  /** Number of the newest line in the job’s log. */
  seq: z.int(),
  created_at: instant,
  updated_at: instant,
  finished_at: instant.nullable(),
  deadline_at: instant.nullable(),
})
export type JobView = z.infer<typeof jobView>

/** GET /api/v1/jobs */
export const listJobs = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).optional(),
  status: jobStatus.optional(),
  blueprint: name.optional(),
  tag: z.string().max(64).optional(),
})
export const jobPage = z.object({ items: z.array(jobView), next_cursor: z.string().nullable() })
export type JobPage = z.infer<typeof jobPage>

/** A line of a job’s log. `seq` counts 1, 2, 3, … without gaps; a reader resumes with `since=seq`. */
export const jobEvent = z.object({
  event_id: z.string(),
  job_id: z.uuid(),
  seq: z.int().min(1),
  timestamp: instant,
  event_type: z.string(),
  state: z.string(),
  data: jsonObject,
})
export type JobEventView = z.infer<typeof jobEvent>

/** GET /api/v1/jobs/{id}/history */
export const historyQuery = z.object({
  since: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(5000).default(1000),
})

/** POST /api/v1/jobs/{id}/cancel */
export const cancelJob = z.object({ reason: z.string().max(500).optional() }).default({})
export const cancelAccepted = z.object({ status: z.literal('cancellation_request_accepted'), job_id: z.uuid() })

/** POST /api/v1/jobs/{id}/approve, and /_public/webhooks/approval/{id} */
export const approve = z.object({ decision: z.string().min(1).max(64), comment: z.string().max(4000).optional() })
export type Approve = z.infer<typeof approve>
export const approvalReceived = z.object({ status: z.literal('approval_received'), job_id: z.uuid() })

export const blueprintView = z.object({
  name: z.string(),
  version: z.int(),
  endpoint: z.string().nullable(),
  input_schema: jsonObject.nullable(),
  states: z.array(z.string()),
})
export type BlueprintView = z.infer<typeof blueprintView>

/** GET /api/v1/blueprints/{name}/graph?format=json */
export const blueprintGraph = z.object({
  name: z.string(),
  version: z.int(),
  start: z.string(),
  states: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['start', 'state', 'end']),
      outcome: z.enum(['finished', 'failed']).nullable(),
    }),
  ),
  edges: z.array(z.object({ from: z.string(), to: z.string() })),
})
export type BlueprintGraph = z.infer<typeof blueprintGraph>
