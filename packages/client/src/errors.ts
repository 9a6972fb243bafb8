import { type ErrorBody, errorBody } from '@tutti/contracts'

export interface ErrorDetails {
  /** A code of the error catalogue, `NETWORK_ERROR`, `UNEXPECTED_ANSWER`, or the workbench's number. */
  code: string
  /** HTTP status; 0 when no answer came. */
  status: number
  /** Whether the same request may succeed later. */
  retryable: boolean
  /** What the caller can do. */
  hint: string
  /** Where in the request the fault is: `body.input.url`. */
  path?: string | undefined
  /** All faults, where the server tells more than the first: those of a blueprint's document. */
  faults?: ErrorBody['faults']
  request: { method: string; url: string }
  /** What the server asked to wait. */
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** Every failure of a call: refused by the server, not answered, or answered with something else. */
export class TuttiApiError extends Error {
  override readonly name = 'TuttiApiError'
  readonly code: string
  readonly status: number
  readonly retryable: boolean
  readonly hint: string
  readonly path: string | undefined
  readonly faults: ErrorBody['faults']
  readonly request: { readonly method: string; readonly url: string }
  readonly retryAfterMs: number | undefined

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.status = details.status
    this.retryable = details.retryable
    this.hint = details.hint
    this.path = details.path
    this.faults = details.faults
    this.request = details.request
    this.retryAfterMs = details.retryAfterMs
  }
}

const passing = new Set([408, 425, 429, 500, 502, 503, 504])

/** The error that an answer tells, in the words of either API, or of whatever stands in front of it. */
export const refused = (
  request: { method: string; url: string },
  status: number,
  text: string,
  retryAfterMs: number | undefined,
): TuttiApiError => {
  const body = readErrorBody(text)
  return new TuttiApiError(
    body?.error ?? `${request.method} ${request.url} answered ${status}: ${text.slice(0, 200)}`,
    {
      code: body?.code ?? 'UNEXPECTED_ANSWER',
      status,
      retryable: body?.retryable ?? passing.has(status),
      hint: body?.hint ?? 'The answer isn’t Tutti’s own: check the address and what stands in front of it.',
      path: body?.path,
      faults: body?.faults,
      request,
      retryAfterMs,
    },
  )
}

export const unreachable = (request: { method: string; url: string }, cause: unknown): TuttiApiError => {
  const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : cause
  return new TuttiApiError(`${request.method} ${request.url} was not answered: ${reason}`, {
    code: 'NETWORK_ERROR',
    status: 0,
    retryable: true,
    hint: 'Check that the server runs and that the address is right.',
    request,
    cause,
  })
}

export const unexpected = (request: { method: string; url: string }, status: number, cause: unknown): TuttiApiError =>
  new TuttiApiError(`${request.method} ${request.url} answered something that this client doesn’t understand`, {
    code: 'UNEXPECTED_ANSWER',
    status,
    retryable: false,
    hint: 'Server and client may be of different versions; the cause names the place.',
    request,
    cause,
  })

type ToldError = Omit<ErrorBody, 'code'> & { code: string }

/** The orchestrator answers with an error body, the workbench with its envelope, which may hold one. */
const readErrorBody = (text: string): ToldError | undefined => {
  const body = parseJson(text)
  const own = errorBody.safeParse(body)
  if (own.success) return own.data
  if (typeof body !== 'object' || body === null || !('code' in body) || !('message' in body)) return undefined
  const told = 'data' in body && typeof body.data === 'object' ? body.data : {}
  const inner = errorBody.safeParse({ error: String(body.message), ...told })
  if (inner.success) return inner.data
  return { error: String(body.message), code: String(body.code), retryable: false, hint: 'See the message.' }
}

export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
