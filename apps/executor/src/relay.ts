/**
 * The executor's side of the relay: HTTP over the one way that leads out of the sandbox.
 * Nothing here gives up while the relay cannot be reached: the manager may be restarting, and a turn that ended then
 * would be lost although its sandbox is healthy.
 */
import { Agent, request as httpRequest } from 'node:http'
import type { EventBatch } from '@tutti/contracts'
import { backOff } from './backoff.ts'
import { createEventStream, type EventAnswer } from './event-stream.ts'

export type RelayAddress = RelayPlace & { token: string }

/** In a sandbox without a network a socket is mounted; in one with a network the relay has an address. */
export type RelayPlace = { socketPath: string } | { host: string; port: number }

/** From TUTTI_RELAY. */
export const relayPlace = (value: string): RelayPlace => {
  if (value.startsWith('/')) return { socketPath: value }
  const { hostname, port } = new URL(value)
  return { host: hostname, port: port === '' ? 80 : Number(port) }
}

/** `refused`: the token is not valid (any more), or the relay does not accept what this executor says. */
export type Refused = { kind: 'refused'; status: number }

export type NextTurn = { kind: 'turn'; turn: unknown } | { kind: 'none' } | { kind: 'gone' } | Refused
export type NextCommands = { kind: 'commands'; commands: unknown[] } | { kind: 'none' } | { kind: 'over' } | Refused
export type Sent = { kind: 'received'; upTo: number } | { kind: 'replaced' } | Refused

export interface Relay {
  /**
   * Asks for a turn once; waits out an unreachable relay. Rejects only when the signal aborts.
   * `asked` is called as soon as the first request is on its way, or has failed.
   */
  nextTurn(signal: AbortSignal, asked?: () => void): Promise<NextTurn>
  /** Asks once for what was said to the turn after the given number. Rejects only when the signal aborts. */
  commands(runId: string, after: number, signal: AbortSignal): Promise<NextCommands>
  /** Hands over a picture of the browser; the key under which it is kept, or undefined where it is not. Never rejects. */
  screenshot(runId: string, toolUseId: string, png: Buffer): Promise<string | undefined>
  /** Asks the memory once. The message of a rejection is for the agent. */
  memory(runId: string, call: unknown): Promise<unknown>
  /** Hands over a batch; waits out an unreachable relay, so that the batch may arrive twice. */
  send(batch: EventBatch): Promise<Sent>
  close(): void
}

interface Answer {
  status: number
  body: string
}

/** Longer than the relay's long poll of about 20 s; a connection that is silent for longer is dead. */
const silenceMs = 60_000

const temporary = (status: number): boolean => status >= 500 || status === 408 || status === 425 || status === 429

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const field = (body: string, name: string): unknown => {
  const value = parsed(body)
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

/** Speaks to the relay at an address. */
export const createRelay = ({ token, ...place }: RelayAddress): Relay => {
  const agent = new Agent({ keepAlive: true })
  const events = createEventStream({ token, ...place }, silenceMs)

  const once = (
    method: string,
    path: string,
    body: string | Buffer | undefined,
    signal?: AbortSignal,
    sent?: () => void,
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body === undefined
          ? {}
          : {
              'content-type': typeof body === 'string' ? 'application/json' : 'image/png',
              'content-length': Buffer.byteLength(body),
            }),
      }
      const outgoing = httpRequest({
        agent,
        ...place,
        method,
        path,
        headers,
        ...(signal && { signal }),
        timeout: silenceMs,
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error('the relay is silent')))
      outgoing.on('error', reject)
      if (sent !== undefined) outgoing.on('finish', sent).on('close', sent)
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('close', () => {
          // An answer that broke off is no answer: half a receipt would let events be forgotten that nobody has.
          if (!incoming.complete) reject(new Error('the answer broke off'))
          else resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
        })
      })
      outgoing.end(body)
    })

  const persistently = async <Told, Result>(
    ask: () => Promise<Told>,
    understand: (answer: Told) => Result | undefined,
    signal?: AbortSignal,
  ): Promise<Result> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const understood = understand(await ask())
        if (understood !== undefined) return understood
      } catch (error) {
        if (signal?.aborted) throw error
      }
      await backOff(attempt, signal)
    }
  }

  const understandTurn = ({ status, body }: Answer): NextTurn | undefined => {
    if (status === 200) {
      const turn = parsed(body)
      return turn === undefined ? undefined : { kind: 'turn', turn }
    }
    if (status === 204) return { kind: 'none' }
    if (status === 410 || status === 409) return { kind: 'gone' }
    return temporary(status) ? undefined : { kind: 'refused', status }
  }

  const understandReceipt = (answer: EventAnswer): Sent | undefined => {
    if ('received' in answer) return { kind: 'received', upTo: answer.received }
    const { status } = answer
    if (status === 409 || status === 410) return { kind: 'replaced' }
    return temporary(status) ? undefined : { kind: 'refused', status }
  }

  const understandCommands = ({ status, body }: Answer): NextCommands | undefined => {
    if (status === 200) {
      const commands = field(body, 'commands')
      return Array.isArray(commands) ? { kind: 'commands', commands } : undefined
    }
    if (status === 204) return { kind: 'none' }
    if (status === 410 || status === 409) return { kind: 'over' }
    return temporary(status) ? undefined : { kind: 'refused', status }
  }

  return {
    commands: (runId, after, signal) =>
      persistently(
        () => once('GET', `/v1/turns/${runId}/commands?after=${after}`, undefined, signal),
        understandCommands,
        signal,
      ),
    screenshot: async (runId, toolUseId, png) => {
      const query = new URLSearchParams({ run_id: runId, tool_use_id: toolUseId })
      try {
        // Once: a picture that is late shows something else than what the agent saw.
        const { status, body } = await once('POST', `/v1/screenshots?${query}`, png)
        const key = status === 200 ? field(body, 'key') : undefined
        return typeof key === 'string' ? key : undefined
      } catch {
        return undefined
      }
    },
    memory: async (runId, call) => {
      const { status, body } = await once('POST', `/v1/memory?run_id=${runId}`, JSON.stringify(call))
      if (status === 200) return parsed(body)
      const why = field(body, 'error')
      throw new Error(typeof why === 'string' ? why : `The memory answered ${status}.`)
    },
    nextTurn: (signal, asked) =>
      persistently(() => once('GET', '/v1/turns/next', undefined, signal, asked), understandTurn, signal),
    send: (batch) => {
      const body = JSON.stringify(batch)
      return persistently(() => events.ask(body), understandReceipt)
    },
    close: () => {
      events.close()
      agent.destroy()
    },
  }
}
