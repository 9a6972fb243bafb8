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

/** Ten years: longer ones are slips of the pen. */
const longestSeconds = 10 * 366 * 86_400

const jobOptions = {
  priority: z.number().min(-1000).max(1000).optional(),
  tags: tags.optional(),
  metadata: jsonObject.optional(),
  /** Seconds from creation after which the job fails, whatever it is doing. */
  deadline_seconds: z.number().positive().optional(),
  /** Not begun before this instant, or so many seconds after its creation; of both the later. */
  run_at: instant.optional(),
  delay_seconds: z.number().min(0).max(longestSeconds).optional(),
  /** Where the job's end is told; left out: the client's own webhook, if it has one. null: nowhere. */
  webhook_url: z.string().max(2000).nullable().optional(),
  /** Of its events only these, such as `job_finished`; left out: all. */
  webhook_events: z.array(z.string().max(128)).max(32).optional(),
  /** Seconds that each task may wait for a worker, and may take until its result, where the blueprint says nothing. */
  dispatch_timeout: z.number().positive().max(longestSeconds).nullable().optional(),
  result_timeout: z.number().positive().max(longestSeconds).nullable().optional(),
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
  z.object({ kind: z.literal('event'), name: z.string(), expires_at: instant.nullable() }),
  z.object({ kind: z.literal('sleep'), until: instant }),
])
export type WaitingFor = z.infer<typeof waitingFor>

/** Where a job came from. */
export const jobOrigin = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('api') }),
  z.object({ kind: z.literal('parent'), job_id: z.uuid() }),
  z.object({ kind: z.literal('schedule'), schedule_id: z.string(), due_at: instant }),
  z.object({ kind: z.literal('fork'), job_id: z.uuid(), seq: z.int() }),
])
export type JobOrigin = z.infer<typeof jobOrigin>

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
  origin: jobOrigin,
  parent_job_id: z.uuid().nullable(),
  /** What was done is being undone, before the job ends as it was to end. */
  compensating: z.boolean(),
  /** Number of the newest line in the job’s log. */
  seq: z.int(),
  created_at: instant,
  /** Not begun before; null: at once. */
  start_at: instant.nullable(),
  updated_at: instant,
  finished_at: instant.nullable(),
  deadline_at: instant.nullable(),
})
export type JobView = z.infer<typeof jobView>

/** In a query: one, several with commas between them, or the parameter several times. */
const several = z
  .union([z.string().max(1000), z.array(z.string().max(128)).max(64)])
  .transform((given) => (Array.isArray(given) ? given : given.split(',').map((each) => each.trim())))

/** GET /api/v1/jobs */
export const listJobs = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).optional(),
  status: several.pipe(z.array(jobStatus)).optional(),
  blueprint: name.optional(),
  tag: z.string().max(64).optional(),
  /** `key=value` of the metadata; repeat it for several, which must all hold. */
  metadata: z
    .union([z.string().max(256), z.array(z.string().max(256)).max(16)])
    .transform((given) => (Array.isArray(given) ? given : [given]))
    .pipe(z.array(z.string().regex(/^[^=]+=/, 'write key=value')))
    .optional(),
  parent_job_id: z.uuid().optional(),
  schedule_id: z.string().max(300).optional(),
  forked_from: z.uuid().optional(),
  created_from: instant.optional(),
  created_before: instant.optional(),
})
/** GET /api/jobs, and /api/v1/jobs with `offset` */
export const olderListJobs = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** Passing over is reading: far back, a cursor is the better way. */
  offset: z.coerce.number().int().min(0).max(100_000).default(0),
})
export const jobPage = z.object({ items: z.array(jobView), next_cursor: z.string().nullable() })
export type JobPage = z.infer<typeof jobPage>

/** GET /api/v1/jobs/{id} */
export const readJob = z.object({
  fields: several.optional(),
})

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

/** PATCH /api/v1/jobs/{id}: `paused` stops or goes on; the rest does not touch the job's course. */
export const patchJob = z.strictObject({
  paused: z.boolean().optional(),
  priority: z.number().min(-1000).max(1000).optional(),
  tags: tags.optional(),
  metadata: jsonObject.optional(),
})
export type PatchJob = z.infer<typeof patchJob>

/** POST /api/v1/jobs/{id}/fork. Without `state` and `seq`: from the last state that is no end, as a retry does. */
export const forkJob = z
  .strictObject({
    state: z.string().max(128).optional(),
    /** As the job stood after this line of its log. */
    seq: z.int().min(1).optional(),
    /** Laid over the data that it had then. */
    data: jsonObject.optional(),
    input: jsonObject.optional(),
    version: z.int().min(1).optional(),
  })
  .default({})

export type ForkJob = NonNullable<z.input<typeof forkJob>>

/** POST /api/v1/jobs/{id}/events */
export const sendEvent = z.strictObject({
  name,
  data: json.default(null),
  /** Chosen by the sender: an event that comes again under its id changes nothing. */
  id: z.string().min(1).max(128).optional(),
})
export type SendEvent = z.input<typeof sendEvent>
export const eventAccepted = z.object({ status: z.literal('event_accepted'), job_id: z.uuid() })

/** POST /api/v1/jobs/{id}/migrate */
export const migrateJob = z.strictObject({ version: z.int().min(1), state: z.string().max(128).optional() })

export type MigrateJob = z.infer<typeof migrateJob>

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

/** POST /api/v1/blueprints */
export const registeredBlueprint = z.object({ name: z.string(), version: z.int() })
export type RegisteredBlueprint = z.infer<typeof registeredBlueprint>

/** GET /api/v1/jobs/{id}/explain: what it waits for, and for its tasks why nobody does them. */
export const jobExplanation = z.object({
  job_id: z.uuid(),
  status: jobStatus,
  /** A sentence for people. */
  because: z.string(),
  /** Its open tasks, at most 100; none where it waits for something else. */
  tasks: z.array(
    z.object({
      task_id: z.string(),
      skill: z.string(),
      attempt: z.int(),
      needs: jsonObject,
      strategy: z.string(),
      /** Who works on it at present; null: nobody. */
      worker_id: z.string().nullable(),
      /** Somebody who is registered may take it: it waits for a free hand. */
      possible: z.boolean(),
      /** Hand-outs of the skill are limited: it may wait for that. */
      rate_limited: z.boolean(),
      /** Your own tasks of the same queue. */
      queue: z.object({ waiting: z.int(), leased: z.int() }),
      /** Each that is registered. `why_not` is the first reason why it takes none of these, as the end of a sentence. */
      workers: z.array(z.object({ worker_id: z.string(), why_not: z.string().nullable() })),
    }),
  ),
})
export type JobExplanation = z.infer<typeof jobExplanation>

/** GET /api/v1/blueprints/{name}/graph?format=json */
export const blueprintGraph = z.object({
  name: z.string(),
  version: z.int(),
  start: z.string(),
  states: z.array(
    z.object({
      name: z.string(),
      /** `undo`: only entered to take back what another state did. */
      kind: z.enum(['start', 'state', 'end', 'undo']),
      outcome: z.enum(['finished', 'failed']).nullable(),
      /** The state that takes back what this one did. */
      undo: z.string().nullable(),
    }),
  ),
  /** `condition` names the conditional handler that leads there; null for the default one. */
  edges: z.array(z.object({ from: z.string(), to: z.string(), condition: z.string().nullable() })),
})
export type BlueprintGraph = z.infer<typeof blueprintGraph>

/** A line of the history archive. */
export const archivedEvent = jobEvent.extend({
  blueprint: z.string(),
  duration_ms: z.number().nullable(),
  previous_state: z.string().nullable(),
  next_state: z.string().nullable(),
  worker_id: z.string().nullable(),
  attempt_number: z.int().nullable(),
})
export type ArchivedEventView = z.infer<typeof archivedEvent>

/** GET /api/v1/history/export */
export const exportHistory = z.object({
  job_id: z.uuid().optional(),
  blueprint: name.optional(),
  event_type: several.optional(),
  worker_id: z.string().max(128).optional(),
  from: instant.optional(),
  before: instant.optional(),
})

/** GET /api/v1/history */
export const listHistory = exportHistory.extend({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
})
export const historyPage = z.object({ items: z.array(archivedEvent), next_cursor: z.string().nullable() })
export type HistoryPage = z.infer<typeof historyPage>
