/** Requests to one server: the token, the retries, and errors as TuttiApiError. */
import { type BackoffOptions, createBackoff, retryAfterMs } from '@tutti/contracts'
import { type Clock, systemClock } from './clock.ts'
import { parseJson, refused, TuttiApiError, unexpected, unreachable } from './errors.ts'

export interface ConnectionOptions {
  /** Address of the server, with any path that it lives under. */
  url: string
  token?: string | undefined
  fetch?: typeof fetch | undefined
  /** How often and with which delays a call that can be repeated is tried. */
  retry?: Partial<RetryOptions> | undefined
  /** A live stream without a sign of life for this long is opened again. */
  idleMs?: number | undefined
  clock?: Clock | undefined
}

interface RetryOptions extends BackoffOptions {
  attempts: number
}

export interface Call<T> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Query | undefined
  headers?: Record<string, string> | undefined
  /** JSON, or a form with files. */
  body?: unknown
  /** The longest that one try may take. */
  timeoutMs?: number | undefined
  /** The server does the same thing only once, however often it is asked. GETs, PUTs and PATCHes always are. */
  repeatable?: boolean
  signal?: AbortSignal | undefined
  answer: { parse(value: unknown): T }
}

/** A list is sent as its parameter several times. */
export type Query = Record<string, string | number | readonly string[] | undefined>

export interface Http {
  call<T>(call: Call<T>): Promise<T>
  /** One try; the body is the caller's to read. Throws when the answer isn't a success. */
  open(path: string, query: Query, headers: Record<string, string>, signal: AbortSignal): Promise<Response>
  readonly base: string
  readonly headers: Record<string, string>
  readonly retry: RetryOptions
  readonly idleMs: number
  readonly clock: Clock
  readonly fetch: typeof fetch
}

/** However often it is done, the same comes of it. */
const unchanging: ReadonlySet<string> = new Set(['GET', 'PUT', 'PATCH'])

const timeoutMs = 60_000
/** A server that asks for more than this is told to the caller, instead of holding the call. */
const longestRetryAfterMs = 60_000

export const createHttp = (options: ConnectionOptions): Http => {
  const { token, clock = systemClock, idleMs = 60_000 } = options
  const doFetch = options.fetch ?? fetch
  const retry: RetryOptions = { attempts: 5, firstMs: 250, maxMs: 8_000, ...options.retry }
  const base = new URL(options.url).href.replace(/\/+$/, '')
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }

  const send = async (method: string, url: URL, init: RequestInit): Promise<Response> => {
    const request = { method, url: url.origin + url.pathname }
    let response: Response
    try {
      response = await doFetch(url, { ...init, method })
    } catch (error) {
      throw unreachable(request, error)
    }
    if (response.ok) return response
    const text = await response.text().catch(() => '')
    throw refused(request, response.status, text, retryAfterMs(response.headers.get('retry-after'), clock.now()))
  }

  const address = (path: string, query: Query = {}): URL => {
    const url = new URL(base + path)
    for (const [key, value] of Object.entries(query))
      for (const each of Array.isArray(value) ? value : [value])
        if (each !== undefined) url.searchParams.append(key, String(each))
    return url
  }

  const once = async <T>(call: Call<T>): Promise<T> => {
    const { method, path, query, headers: own, body, signal, answer } = call
    const url = address(path, query)
    const timeout = AbortSignal.timeout(call.timeoutMs ?? timeoutMs)
    // A form says its own type, with the boundary that it has chosen.
    const isForm = body instanceof FormData
    const response = await send(method, url, {
      headers: {
        ...headers,
        ...own,
        accept: 'application/json',
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : isForm ? body : JSON.stringify(body),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    const request = { method, url: url.origin + url.pathname }
    const text = await response.text().catch((error: unknown) => {
      throw unreachable(request, error)
    })
    try {
      return answer.parse(text === '' ? undefined : parseJson(text))
    } catch (error) {
      throw error instanceof TuttiApiError ? error : unexpected(request, response.status, error)
    }
  }

  return {
    base,
    headers,
    retry,
    idleMs,
    clock,
    fetch: doFetch,
    open: (path, query, extra, signal) =>
      send('GET', address(path, query), { headers: { ...headers, ...extra }, signal }),
    call: async (call) => {
      const { method, repeatable = unchanging.has(method), signal } = call
      const backoff = createBackoff(retry)
      for (let attempt = 1; ; attempt += 1) {
        signal?.throwIfAborted()
        try {
          return await once(call)
        } catch (error) {
          signal?.throwIfAborted()
          if (!(error instanceof TuttiApiError) || attempt >= retry.attempts || !mayRepeat(error, repeatable))
            throw error
          await clock.sleep(backoff.next(error.retryAfterMs), signal)
        }
      }
    },
  }
}

/** 429 says that nothing was done; after any other failure the server may have done what it couldn't tell. */
const mayRepeat = ({ status, retryable, retryAfterMs = 0 }: TuttiApiError, repeatable: boolean): boolean =>
  retryAfterMs <= longestRetryAfterMs && (status === 429 || (repeatable && retryable))
