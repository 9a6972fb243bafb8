/**
 * Why a run can't go on, in words for its user. `code` is stable; `retryable` says whether another attempt of the same
 * run can succeed without anybody changing anything.
 */
export class RunFault extends Error {
  override readonly name = 'RunFault'
  readonly code: RunFaultCode
  readonly retryable: boolean

  constructor(code: RunFaultCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

export type RunFaultCode =
  | 'USER_ID_REFUSED'
  | 'STAGED_PATH_REFUSED'
  | 'STAGED_FILE_MISSING'
  | 'STAGING_FAILED'
  | 'RESTORE_FAILED'
  | 'ARCHIVE_REFUSED'
  | 'FOLDER_REFUSED'
  | 'REPOSITORY_REFUSED'
  | 'REPOSITORY_FAILED'
  | 'FOLDER_TOO_LARGE'
  | 'MODEL_NOT_ALLOWED'
  | 'BUDGET_EXCEEDED'
  | 'EGRESS_REFUSED'
  | 'SANDBOX_NOT_STARTED'
  | 'SANDBOX_MEMORY'
  | 'SANDBOX_PROCESSES'
  | 'SANDBOX_DISK'
  | 'SANDBOX_TIME'
  | 'SANDBOX_KILLED'
  | 'EXECUTOR_EXITED'
  | 'EVENTS_REFUSED'
  | 'RUN_TIMEOUT'
  | 'MANAGER_STOPPING'
  | 'EXPORT_FAILED'
  | 'WORKSPACE_TOO_LARGE'
  | 'INTERNAL'

/** The system's code of a failed call, such as ENOENT. */
export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
