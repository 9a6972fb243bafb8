/**
 * Asking a provider until it answers. Everything that can be tried again is tried before the first byte has been passed on,
 * never after: the agent would get two beginnings of one answer.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { backoffDelayMs } from '@tutti/contracts/backoff'
import type { Logger } from '@tutti/telemetry'
import type { ModelRoute } from '../deps.ts'
import { messageOf } from '../fault.ts'
import { waitOf } from './rate-limit.ts'

export interface ProviderOptions {
  /** How often a request that failed is sent again. */
  modelRetries: number
  modelRetryFirstMs: number
  /** The longest time that a rate limit is waited out here, with the sandbox open. */
  rateLimitWaitMs: number
  modelSilenceMs: number
  log: Logger
}

export interface ProviderRequest {
  route: ModelRoute
  method: string
  path: string
  headers: OutgoingHttpHeaders
  body: Buffer
}

export type Asked =
  /** Its body is still to be read. */
  | { kind: 'answer'; answer: IncomingMessage }
  | { kind: 'unreachable'; sent: boolean }
  /** Not before then (milliseconds since the epoch). */
  | { kind: 'limited'; until: number }

// Shared by all sandboxes: a new connection to the provider costs more than the first tokens of a small answer.
const agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) }

/** Overloaded, failing, or on its way back. */
const isPassing = (status: number): boolean => status >= 500 || status === 408

/** @param signal aborted when nobody waits for the answer any more; rejects with its reason then */
export const askProvider = async (
  options: ProviderOptions,
  request: ProviderRequest,
  signal: AbortSignal,
): Promise<Asked> => {
  let waitedMs = 0
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted()
    const asked = await askOnce(options, request, signal)
    const pause = backoffDelayMs({ firstMs: options.modelRetryFirstMs, maxMs: 8_000 }, tries, Math.random())
    if (asked.kind === 'answer' && asked.answer.statusCode === 429) {
      const wait = waitOf(asked.answer.headers, Date.now()) ?? (tries > options.modelRetries ? unnamedLimitMs : pause)
      asked.answer.resume()
      waitedMs += wait
      if (waitedMs > options.rateLimitWaitMs) return { kind: 'limited', until: Date.now() + wait }
      options.log.info({ provider: request.route.provider, wait_ms: Math.round(wait) }, 'the provider limits the rate')
      await delay(wait, undefined, { signal })
      continue
    }
    const failed = asked.kind === 'unreachable' || isPassing(asked.answer.statusCode ?? 0)
    if (!failed || tries > options.modelRetries || asked.silent) return asked
    if (asked.kind === 'answer') asked.answer.resume()
    const reason = asked.kind === 'answer' ? `status ${asked.answer.statusCode}` : asked.reason
    options.log.warn({ provider: request.route.provider, tries, reason }, 'the provider failed; asking again')
    const named = asked.kind === 'answer' ? waitOf(asked.answer.headers, Date.now()) : undefined
    await delay(Math.min(named ?? pause, 8_000), undefined, { signal })
  }
}

/** Where a provider keeps refusing without a word of when. */
const unnamedLimitMs = 60_000

type AskedOnce =
  | { kind: 'answer'; answer: IncomingMessage; silent: false }
  | { kind: 'unreachable'; sent: boolean; reason: string; silent: boolean }

const askOnce = (options: ProviderOptions, request: ProviderRequest, signal: AbortSignal): Promise<AskedOnce> =>
  new Promise((resolve, reject) => {
    const outgoing = send(request, options.modelSilenceMs)
    let silent = false
    outgoing.on('timeout', () => {
      // Asked again it would cost as much time, and perhaps the same money once more.
      silent = true
      outgoing.destroy(new Error('the provider is silent'))
    })
    const onAbort = (): void => {
      outgoing.destroy()
    }
    // Also while the answer streams: what the provider would still write is paid for in vain.
    signal.addEventListener('abort', onAbort, { once: true })
    outgoing.on('close', () => signal.removeEventListener('abort', onAbort))
    outgoing.on('response', (answer) => resolve({ kind: 'answer', answer, silent: false }))
    outgoing.on('error', (error) => {
      if (signal.aborted) reject(signal.reason)
      else resolve({ kind: 'unreachable', sent: outgoing.writableFinished, reason: messageOf(error), silent })
    })
    outgoing.on('close', () => {
      if (signal.aborted) reject(signal.reason)
    })
    outgoing.end(request.body)
  })

const send = ({ route, method, path, headers, body }: ProviderRequest, timeout: number): ClientRequest => {
  // Put together as text: resolved as a relative address, a path with two slashes would name another host.
  const target = new URL(`${route.baseUrl.replace(/\/+$/, '')}${path}`)
  const secure = target.protocol === 'https:'
  return (secure ? httpsRequest : httpRequest)(target, {
    ...{ method, timeout, agent: agents[secure ? 'https:' : 'http:'] },
    headers: { ...headers, ...route.headers, 'content-length': body.length },
  })
}
