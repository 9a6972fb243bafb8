/**
 * The one catalogue of errors that Tutti answers with. Codes are API: they never change meaning and are never reused;
 * messages may be reworded. `hint` says what the caller can do.
 */
import { z } from 'zod'
import { instant } from './json.ts'

interface CatalogueEntry {
  status: number
  retryable: boolean
  hint: string
}

export const errorCatalogue = {
  INVALID_BODY: {
    status: 400,
    retryable: false,
    hint: 'Correct the field named in `path` and send the request again.',
  },
  INVALID_REQUEST: {
    status: 400,
    retryable: false,
    hint: 'What came is no HTTP request: look at what stands between client and server.',
  },
  INVALID_QUERY: { status: 400, retryable: false, hint: 'Correct the query parameter named in `path`.' },
  INVALID_CONFIG: {
    status: 400,
    retryable: false,
    hint: 'Mend the file and line named in the message; nothing was changed.',
  },
  INVALID_DECISION: {
    status: 400,
    retryable: false,
    hint: 'Use one of the decisions listed in the job’s `waiting_for`.',
  },
  UNAUTHENTICATED: { status: 401, retryable: false, hint: 'Send a valid token in the header named in the message.' },
  BUDGET_EXCEEDED: {
    status: 402,
    retryable: false,
    hint: 'GET /api/v1/budgets shows limits and use: raise the limit that the message names, or wait for its next month.',
  },
  FORBIDDEN: { status: 403, retryable: false, hint: 'Use a token whose role allows this.' },
  FILE_DENIED: {
    status: 403,
    retryable: false,
    hint: 'A task reads the files of its job, of the job above, and those of the same client that its params name.',
  },
  WORKER_MISMATCH: {
    status: 403,
    retryable: false,
    hint: 'A worker answers only for itself: use its own id and token.',
  },
  INVALID_SIGNATURE: {
    status: 403,
    retryable: false,
    hint: 'Sign the body anew with this worker’s token, and check the clock of its machine.',
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'Check the address; the server’s page of documentation, /docs, lists every path.',
  },
  JOB_NOT_FOUND: { status: 404, retryable: false, hint: 'Check the id; only the jobs of your own client are visible.' },
  BLUEPRINT_NOT_FOUND: { status: 404, retryable: false, hint: 'GET /api/v1/blueprints lists what is loaded.' },
  WORKER_NOT_FOUND: { status: 404, retryable: false, hint: 'Register again, then go on.' },
  SESSION_NOT_FOUND: { status: 404, retryable: false, hint: 'Check the id; only your own sessions are visible.' },
  RUN_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'Check the id; only the runs of your own sessions are visible.',
  },
  SNAPSHOT_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'Choose a run that has stored its files: its `workspace_export_status` is `ready`.',
  },
  REQUEST_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'Check the id; only what the agents of your own sessions ask is visible.',
  },
  MESSAGE_NOT_FOUND: { status: 404, retryable: false, hint: 'Read the session’s messages again: it may be gone.' },
  QUEUE_ITEM_NOT_FOUND: { status: 404, retryable: false, hint: 'Read the queue again: its turn may have come.' },
  PROJECT_NOT_FOUND: { status: 404, retryable: false, hint: 'Check the id; only your own projects are visible.' },
  SCHEDULED_TASK_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'GET /api/v1/scheduled-tasks lists your own.',
  },
  MEMORY_NOT_FOUND: { status: 404, retryable: false, hint: 'GET /api/v1/memories lists your own.' },
  CAPABILITY_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'Check the id: only your own are visible, and those that the operator made for everybody.',
  },
  SCHEDULE_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'GET /api/v1/schedules lists your own schedules.',
  },
  DELIVERY_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'GET /api/v1/webhooks/deliveries lists your own; they are kept for 30 days.',
  },
  FILE_NOT_FOUND: { status: 404, retryable: false, hint: 'List the files first; a presigned address also expires.' },
  WORKSPACE_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: 'GET /api/v1/workspace/users/{user} lists what this host has; the next run of a session brings its workspace back.',
  },
  REQUEST_TIMEOUT: { status: 408, retryable: true, hint: 'Send the whole request at once, then wait for the answer.' },
  JOB_TERMINAL: { status: 409, retryable: false, hint: 'The job has ended; nothing can change it any more.' },
  JOB_NOT_WAITING: {
    status: 409,
    retryable: false,
    hint: 'Read the job: its status and `waiting_for` tell what it takes.',
  },
  JOB_RUNNING: { status: 409, retryable: false, hint: 'Cancel the job first, or wait until it has ended.' },
  SESSION_BUSY: { status: 409, retryable: true, hint: 'Wait until the turn has ended, or cancel it.' },
  LINKS_OFF: {
    status: 409,
    retryable: false,
    hint: 'Set BACKEND_PUBLIC_URL to the address under which people reach the backend.',
  },
  REQUEST_ANSWERED: {
    status: 409,
    retryable: false,
    hint: 'The first answer counts: read the session to see what became of it.',
  },
  WORKSPACE_NOT_STORED: {
    status: 409,
    retryable: false,
    hint: 'Wait for the end of the session’s next run, which stores it; `?force=true` removes it all the same.',
  },
  SESSION_CANCELING: { status: 409, retryable: true, hint: 'Wait until the turn has stopped, then send it again.' },
  QUEUE_NOT_EMPTY: { status: 409, retryable: false, hint: 'Send or delete the messages that wait, then try again.' },
  QUEUE_FULL: { status: 409, retryable: true, hint: 'Wait until a message’s turn has come, or delete one that waits.' },
  QUEUE_ITEM_GONE: {
    status: 409,
    retryable: false,
    hint: 'The message was sent or deleted meanwhile; read the queue again.',
  },
  EVENT_GAP: {
    status: 409,
    retryable: true,
    hint: 'The run is still yours: send the events again, from `expected` on.',
  },
  SCHEDULE_EXISTS: { status: 409, retryable: false, hint: 'Choose another name, or PUT the schedule to replace it.' },
  SCHEDULE_FROM_FILE: {
    status: 409,
    retryable: false,
    hint: 'Edit schedules.toml and reload it; here it can be paused, resumed and triggered.',
  },
  TOO_MANY_SCHEDULED_TASKS: { status: 409, retryable: false, hint: 'Delete one that is not needed any more.' },
  MEMORY_FULL: { status: 409, retryable: false, hint: 'Delete memories that are not needed any more, or merge them.' },
  CAPABILITY_EXISTS: { status: 409, retryable: false, hint: 'Choose another name, or change the one that has it.' },
  CAPABILITY_LIMIT: { status: 409, retryable: false, hint: 'Delete one that is not used any more.' },
  CAPABILITY_IN_USE: {
    status: 409,
    retryable: false,
    hint: 'Take it out of the project that the message names first.',
  },
  BLUEPRINT_EXISTS: {
    status: 409,
    retryable: false,
    hint: 'A version stands for one blueprint for ever: give the changed one a new version.',
  },
  RUN_NOT_CURRENT: {
    status: 409,
    retryable: false,
    hint: 'The run that was meant has ended or was never the session’s: leave `run_id` out to mean whatever is at work now.',
  },
  LEASE_LOST: { status: 409, retryable: false, hint: 'Drop this work: somebody else holds it now.' },
  REQUEST_EXPIRED: {
    status: 410,
    retryable: false,
    hint: 'The run has ended: send a new message to the session.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    retryable: false,
    hint: 'Send less, or put the data into object storage and pass its address.',
  },
  IDEMPOTENCY_CONFLICT: {
    status: 422,
    retryable: false,
    hint: 'The key was used for another request: choose a new key, or repeat the first request unchanged.',
  },
  QUOTA_EXCEEDED: { status: 429, retryable: true, hint: 'Wait until `retry_at`, or ask for a larger quota.' },
  TOO_MANY_SIGNALS: {
    status: 429,
    retryable: true,
    hint: 'The job keeps as many events as it may: try again when it has taken some.',
  },
  TOO_MANY_COMMANDS: {
    status: 429,
    retryable: true,
    hint: 'The agent takes messages in between its steps: wait until it has taken some, or interrupt it.',
  },
  TOO_MANY_REQUESTS: { status: 429, retryable: true, hint: 'Wait for the seconds in Retry-After, then try again.' },
  HEADERS_TOO_LARGE: { status: 431, retryable: false, hint: 'Send fewer or shorter headers: 16 KB in all.' },
  PAYLOAD_LOST: {
    status: 500,
    retryable: false,
    hint: 'A large value is missing from the object store, or damaged there; only restoring it there helps.',
  },
  INTERNAL: { status: 500, retryable: true, hint: 'This is a fault of the server; its log has the request id.' },
  FILES_NOT_ENABLED: {
    status: 501,
    retryable: false,
    hint: 'The operator has to set S3_ENDPOINT_URL, S3_ACCESS_KEY and S3_SECRET_KEY, or a local folder for files.',
  },
  HISTORY_NOT_ENABLED: {
    status: 501,
    retryable: false,
    hint: 'Set HISTORY_DATABASE_URI; a job that is still kept has its log at /jobs/{id}/history.',
  },
  MANAGER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: 'The operator has to set EXECUTOR_MANAGER_URL and see that the manager there answers.',
  },
  STORE_UNAVAILABLE: { status: 503, retryable: true, hint: 'The store can’t be reached; try again shortly.' },
  SHUTTING_DOWN: { status: 503, retryable: true, hint: 'This instance is stopping; try again, another one answers.' },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof errorCatalogue

/** Body of every error answer of the orchestrator. `error` is for people, `code` for programs. */
export const errorBody = z.object({
  error: z.string(),
  code: z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]]),
  retryable: z.boolean(),
  hint: z.string(),
  /** Where in the request the fault is: `body.input.url`, `query.limit`. */
  path: z.string().optional(),
  /** All faults, where a request is checked to its end: the document of a blueprint. */
  faults: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  /** From when on the same request can succeed. */
  retry_at: instant.optional(),
})
export type ErrorBody = z.infer<typeof errorBody>

/** An expected failure, on its way to the edge that turns it into an answer. */
export class TuttiError extends Error {
  override readonly name = 'TuttiError'
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly faults: readonly { path: string; message: string }[] | undefined
  /** Milliseconds since the epoch. */
  readonly retryAt: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      path?: string
      faults?: readonly { path: string; message: string }[]
      retryAt?: number
      cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.path = options.path
    this.faults = options.faults
    this.retryAt = options.retryAt
  }

  get status(): number {
    return errorCatalogue[this.code].status
  }

  body(): ErrorBody {
    const { retryable, hint } = errorCatalogue[this.code]
    return {
      error: this.message,
      code: this.code,
      retryable,
      hint,
      ...(this.path === undefined ? {} : { path: this.path }),
      ...(this.faults === undefined ? {} : { faults: [...this.faults] }),
      ...(this.retryAt === undefined ? {} : { retry_at: new Date(this.retryAt).toISOString() }),
    }
  }
}
