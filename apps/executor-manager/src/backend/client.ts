/** The backend's interface for managers. One call is one request; who calls decides whether to try again. */
import {
  type AccountAnswer,
  type AccountRun,
  accountAnswer,
  type ClaimedRun,
  type ClaimRun,
  claimedRun,
  type FinishRun,
  type MemoryAnswer,
  memoryAnswer,
  type RunMemory,
  type renewAnswer,
  renewAnswer as renewAnswerSchema,
  type renewRun,
  type startRun,
} from '@tutti/contracts'
import { messageOf } from '../fault.ts'
import { BackendError, kindOf } from './error.ts'
import { createPost } from './post.ts'
import { createEventSender, type SendEvents } from './send-events.ts'

type Output<Schema extends { _output: unknown }> = Schema['_output']

/** Every method rejects with `BackendError` only, or with the signal's reason. */
export interface BackendClient {
  /** @param overdueMs how long after the time that it asks the backend to wait an answer may still come; never longer than for other requests */
  claim(request: ClaimRun, signal: AbortSignal, overdueMs?: number): Promise<ClaimedRun | null>
  start(runId: string, request: Output<typeof startRun>): Promise<void>
  /** @param overdueMs as for `claim` */
  renew(
    runId: string,
    request: Output<typeof renewRun>,
    signal: AbortSignal,
    overdueMs?: number,
  ): Promise<Output<typeof renewAnswer>>
  events: SendEvents
  finish(runId: string, request: FinishRun): Promise<void>
  account(runId: string, request: AccountRun): Promise<AccountAnswer>
  memory(runId: string, request: RunMemory): Promise<MemoryAnswer>
}

export interface BackendClientOptions {
  /** Without a trailing slash. */
  baseUrl: string
  internalToken: string
  /** Of the runs that are claimed: a third of it is how long an answer is waited for. */
  leaseSeconds: number
}

/**
 * How long the answer to a request that waits at the backend may be overdue, doubled with each that did not come: a backend that went
 * silent keeps runs and commands from this manager, and one that is only slow is to be heard in the end.
 */
export const overdueAfter = (unanswered: number): number => 5_000 * 2 ** Math.min(unanswered, 10)

/** Longer than the backend takes for anything but a long poll; a connection that is silent for longer is dead. */
const longestPatienceMs = 30_000

export const createBackendClient = ({ baseUrl, internalToken, leaseSeconds }: BackendClientOptions): BackendClient => {
  // One that went silent must be noticed while there is still time for another.
  const patienceMs = Math.min(longestPatienceMs, (Math.max(5, leaseSeconds) * 1000) / 3)
  const send = createPost(`${baseUrl}/api/v1/runs/`, { 'x-internal-token': internalToken })
  const post = async (path: string, body: object, timeoutMs: number, signal?: AbortSignal): Promise<unknown> => {
    const { status, text } = await send(path, body, timeoutMs, signal).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw new BackendError('unreachable', `the backend does not answer: ${reasonOf(error)}`, { cause: error })
    })
    const envelope = parsed(text)
    if (status === 200 && envelope !== undefined) return envelope.data
    const code = codeOf(envelope?.data)
    const message = `the backend answered ${status}${code === undefined ? '' : ` ${code}`}: ${envelope?.message ?? ''}`
    throw new BackendError(envelope === undefined ? 'unreachable' : kindOf(status, code), message, { status })
  }

  const understood = <Schema extends { _output: unknown; parse(value: unknown): Output<Schema> }>(
    schema: Schema,
    value: unknown,
  ): Output<Schema> => {
    try {
      return schema.parse(value)
    } catch (cause) {
      throw new BackendError('refused', 'the backend’s answer is not what this version expects', { status: 200, cause })
    }
  }

  return {
    claim: async (request, signal, overdueMs = patienceMs) => {
      const timeoutMs = (request.wait_seconds ?? 0) * 1000 + Math.min(overdueMs, patienceMs)
      const data = await post('claim', request, timeoutMs, signal)
      return data === null ? null : understood(claimedRun, data)
    },
    start: async (runId, request) => {
      await post(`${runId}/start`, request, patienceMs)
    },
    renew: async (runId, request, signal, overdueMs = patienceMs) => {
      const timeoutMs = request.wait_seconds * 1000 + Math.min(overdueMs, patienceMs)
      const answer = await post(`${runId}/renew`, request, timeoutMs, signal)
      return understood(renewAnswerSchema, answer)
    },
    events: createEventSender((path, body) => post(path, body, patienceMs)),
    account: async (runId, request) => understood(accountAnswer, await post(`${runId}/account`, request, patienceMs)),
    memory: async (runId, request) =>
      // An agent's own call, which has no number: what is slow is not to be done twice.
      understood(memoryAnswer, await post(`${runId}/memory`, request, longestPatienceMs)),
    finish: async (runId, request) => {
      await post(`${runId}/finish`, request, patienceMs)
    },
  }
}

interface Envelope {
  message: string
  data: unknown
}

const parsed = (text: string): Envelope | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('data' in value)) return undefined
    return { message: 'message' in value ? String(value.message) : '', data: value.data }
  } catch {
    return undefined
  }
}

const codeOf = (data: unknown): string | undefined =>
  typeof data === 'object' && data !== null && 'code' in data && typeof data.code === 'string' ? data.code : undefined

/** Of a name with several addresses each has a reason of its own, and all of them together have none. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error)
