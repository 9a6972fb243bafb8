/**
 * - `unreachable`: no answer, or one that another try may better: a restart, a database that is away.
 * - `lease_lost`: somebody else holds the run, or nobody; nothing may be written any more.
 * - `refused`: the backend understood and does not want it; a repetition would be refused again.
 */
export type BackendErrorKind = 'unreachable' | 'lease_lost' | 'refused'

export class BackendError extends Error {
  override readonly name = 'BackendError'
  readonly kind: BackendErrorKind
  /** Of the HTTP answer; 0 when there was none. */
  readonly status: number

  constructor(kind: BackendErrorKind, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.status = options.status ?? 0
  }
}

export const isLeaseLost = (error: unknown): boolean => error instanceof BackendError && error.kind === 'lease_lost'

export const isUnreachable = (error: unknown): boolean => error instanceof BackendError && error.kind === 'unreachable'

/** What an answer that is no success means. `code` is the backend's own, stable one. */
export const kindOf = (status: number, code: string | undefined): BackendErrorKind => {
  if (code === 'LEASE_LOST' || code === 'RUN_NOT_FOUND') return 'lease_lost'
  // Another instance may answer otherwise, and this one after its restart.
  if (status >= 500 || status === 408 || status === 425 || status === 429) return 'unreachable'
  return status === 409 && code === undefined ? 'lease_lost' : 'refused'
}
