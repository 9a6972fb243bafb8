/**
 * The relay: the one way out of a sandbox, by HTTP. It lives as long as its sandbox and serves the turn that is assigned at
 * the moment; so a sandbox may be kept for the session's next turn.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type EventReceipt, type EventRefusal, eventBatch } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { messageOf } from '../fault.ts'
import { answer, refuseConnection } from './answer.ts'
import type { Assignment } from './assignment.ts'
import { parseJson } from './body.ts'
import { createCommandDesk } from './commands.ts'
import { createEgress, type EgressOptions } from './egress.ts'
import { createEventStreams } from './event-streams.ts'
import type { Listen } from './listen.ts'
import { askMemory } from './memory.ts'
import { createModelProxy, type ModelProxyOptions } from './model.ts'
import { takeScreenshot } from './screenshots.ts'
import { createTokenCheck } from './token.ts'
import { createTurnDesk } from './turns.ts'

export interface Relay {
  /** From now on the executor gets this turn. */
  assign(assignment: Assignment): void
  /** The turn is over: nothing of it is taken any more, and no model call. */
  withdraw(): void
  /** Resolves when the executor has nothing to do any more: it asks for the next turn, and there is none. */
  idle(): Promise<void>
  /** Ends every connection, and removes the socket. */
  close(): Promise<void>
}

export interface RelayOptions extends ModelProxyOptions, EgressOptions {
  listen: Listen
  token: string
  eventBodyBytes: number
  turnPollMs: number
  log: Logger
}

export const createRelay = async (options: RelayOptions): Promise<Relay> => {
  const { log } = options
  const hasToken = createTokenCheck(options.token)
  const desk = createTurnDesk(options.turnPollMs)
  const commands = createCommandDesk(options.turnPollMs)
  const model = createModelProxy(options)
  const egress = createEgress(options)
  let current: Assignment | undefined

  const takeEvents = async (line: string): Promise<EventReceipt | EventRefusal> => {
    const batch = eventBatch.safeParse(parseJson(line))
    if (!batch.success) return { status: 400, error: 'this is no batch of events' }
    const taken = current === undefined ? { kind: 'replaced' as const } : await current.intake.take(batch.data)
    if (taken.kind === 'received') return { received: taken.upTo }
    if (taken.kind === 'replaced') return { status: 409, error: 'the attempt was replaced' }
    return { status: 400, error: taken.message }
  }
  const events = createEventStreams({ maxBytes: options.eventBodyBytes, take: takeEvents, log })

  const route = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!hasToken(incoming.headers.authorization)) {
      // Before anything of the request is read.
      log.warn('a request to the relay without its token')
      return answer(response, 401, { error: 'the relay takes its own token only' })
    }
    const url = URL.parse(incoming.url ?? '/', 'http://relay')
    const { method } = incoming
    // Another spelling of a path, or another host before it: what is checked and what is asked for must be the same.
    if (url === null || incoming.url?.split('?', 1)[0] !== url.pathname)
      return answer(response, 404, { error: 'there is nothing here' })
    if (url.pathname.startsWith('/model/')) return model(incoming, response, url, current)
    if (url.pathname === '/v1/turns/next' && method === 'GET') return desk.next(response)
    if (url.pathname === '/v1/screenshots' && method === 'POST')
      return takeScreenshot(incoming, response, url.searchParams, current)
    if (url.pathname === '/v1/memory' && method === 'POST')
      return askMemory(incoming, response, url.searchParams, current)
    const said = /^\/v1\/turns\/([^/]+)\/commands$/.exec(url.pathname)
    if (said?.[1] !== undefined && method === 'GET') return commands.next(response, said[1], lastOf(url.searchParams))
    answer(response, 404, { error: 'there is nothing here' })
  }

  const listening = await options.listen({
    request: (incoming, response) => {
      route(incoming, response).catch((error: unknown) => {
        // An executor that was killed breaks off in the middle; nobody is there to be answered.
        if (!incoming.destroyed) log.error({ reason: messageOf(error) }, 'a request to the relay failed')
        if (!response.headersSent) answer(response, 500, { error: 'the relay failed' })
        else response.destroy()
      })
    },
    connect: (incoming, socket, head) => {
      if (hasToken(incoming.headers.authorization)) return egress.connect(incoming, socket, head, current?.egress)
      log.warn('a connection through the relay without its token')
      refuseConnection(socket)
    },
    upgrade: (incoming, socket, head) => {
      if (hasToken(incoming.headers.authorization)) return events.open(socket, head)
      log.warn('a stream of events without the relay’s token')
      refuseConnection(socket)
    },
  })

  return {
    assign: (assignment) => {
      current = assignment
      commands.offer(assignment)
      desk.offer(assignment.turn)
    },
    withdraw: () => {
      current = undefined
      commands.clear()
      egress.clear()
      desk.clear()
    },
    idle: desk.idle,
    close: async () => {
      current = undefined
      commands.clear()
      // The server does not count them among its connections any more.
      egress.clear()
      events.close()
      desk.end()
      await listening.close()
    },
  }
}

/** The number of the last command that the executor has; anything else is none. */
const lastOf = (query: URLSearchParams): number => {
  const after = Number(query.get('after') ?? 0)
  return Number.isSafeInteger(after) && after >= 0 ? after : 0
}
