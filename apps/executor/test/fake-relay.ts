/** The manager's side of the relay, as small as a test needs it: it keeps what it receives and fails when told to. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import {
  type AgentEvent,
  eventBatch,
  freshEvents,
  isDelta,
  isShownOnly,
  type NumberedAgentEvent,
  type Turn,
  type TurnCommand,
  turnCommands,
  turn as turnSchema,
} from '@tutti/contracts'

export interface ModelCall {
  path: string
  authorization: string | undefined
  apiKey: string | undefined
}

export interface FakeRelay {
  socketPath: string
  token: string
  /** How many times an executor has asked for a turn. */
  polls(): number
  /** Hands a turn to the next poll. */
  offer(turn: Turn): void
  /** Says something to a running turn. Every poll for commands gets all that there are, also those it has. */
  say(command: TurnCommand): void
  /** Answers 410 to polls from now on. */
  endTurns(): void
  /** Answers 409 to events from now on. */
  replaceAttempt(): void
  /** The next batches with something to store: kept, then the connection is cut, so that the executor must send them again. */
  cutAfterReceiving(times: number): void
  /** The next connections for events: cut before anything is read. */
  cutBeforeReceiving(times: number): void
  /** Events as a receiver holds them: by number, each once. */
  received(run_id: string): NumberedAgentEvent[]
  /** Nobody listens any more, and every connection is cut: as while the manager restarts. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
  /** Numbers in the order they arrived, repetitions included. */
  arrivals: number[]
  faults: string[]
  modelCalls: ModelCall[]
  /** Resolves with the first received event that matches. */
  until(run_id: string, matches: (event: AgentEvent) => boolean): Promise<AgentEvent>
  close(): Promise<void>
}

export const isTerminal = (event: AgentEvent): boolean => event.type === 'done' || event.type === 'error'

export const createFakeRelay = async (socketPath: string, model: { url: string; key: string }): Promise<FakeRelay> => {
  const token = `relay-${randomUUID()}`
  const turns: Turn[] = []
  const parked: ServerResponse[] = []
  const held = new Map<string, NumberedAgentEvent[]>()
  const arrivals: number[] = []
  const faults: string[] = []
  const modelCalls: ModelCall[] = []
  const watchers = new Set<() => void>()
  const said: TurnCommand[] = []
  const listening = new Set<ServerResponse>()
  const streams = new Set<Duplex>()
  let polls = 0
  let ended = false
  let replaced = false
  let cutsAfter = 0
  let cutsBefore = 0

  const handOver = (): void => {
    while (parked.length > 0 && (turns.length > 0 || ended)) {
      const response = parked.shift()
      const next = turns.shift()
      if (next === undefined) response?.writeHead(410).end()
      else response?.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(turnSchema.parse(next)))
    }
  }

  /** The answer to a batch, or undefined where its sender is to get none. */
  const takeEvents = (line: string): object | undefined => {
    const batch = eventBatch.parse(JSON.parse(line))
    if (replaced) return { status: 409, error: 'replaced' }
    const events = held.get(batch.run_id) ?? []
    held.set(batch.run_id, events)
    arrivals.push(...batch.events.flatMap(({ n, event }) => (isDelta(event) ? [] : [n])))
    const fresh = freshEvents(events.at(-1)?.n ?? 0, batch.events)
    if ('gap' in fresh) faults.push(`a gap before event ${fresh.gap.got}`)
    else events.push(...fresh.events)
    for (const watcher of [...watchers]) watcher()
    if (cutsAfter === 0 || isShownOnly(batch.events)) return { received: events.at(-1)?.n ?? 0 }
    cutsAfter -= 1
    return undefined
  }

  const serveEvents = (incoming: IncomingMessage, socket: Duplex): void => {
    streams.add(socket)
    socket.on('error', () => {}).on('close', () => streams.delete(socket))
    if (incoming.headers.authorization !== `Bearer ${token}` || incoming.url !== '/v1/events') {
      faults.push(`an upgrade at ${incoming.url}`)
      return void socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
    }
    if (cutsBefore > 0) {
      cutsBefore -= 1
      return void socket.destroy()
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: tutti-events\r\n\r\n')
    createInterface({ input: socket }).on('line', (line) => {
      try {
        const answer = takeEvents(line)
        if (answer === undefined) socket.destroy()
        else socket.write(`${JSON.stringify(answer)}\n`)
      } catch (error) {
        faults.push(String(error))
        socket.destroy()
      }
    })
  }

  const tell = (): void => {
    if (said.length === 0) return
    for (const response of listening)
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(turnCommands.parse({ commands: said })))
    listening.clear()
  }

  const forward = (incoming: IncomingMessage, response: ServerResponse): void => {
    const path = (incoming.url ?? '').slice('/model'.length)
    const { authorization, ...headers } = incoming.headers
    modelCalls.push({ path, authorization, apiKey: headers['x-api-key']?.toString() })
    const target = new URL(path, model.url)
    const outgoing = httpRequest(target, {
      method: incoming.method ?? 'GET',
      headers: { ...headers, host: target.host, 'x-api-key': model.key },
    })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }

  const server = createServer((incoming, response) => {
    if (incoming.headers.authorization !== `Bearer ${token}`) {
      faults.push(`a request to ${incoming.url} without the relay token`)
      response.writeHead(401).end()
    } else if (incoming.url === '/v1/turns/next') {
      polls += 1
      parked.push(response)
      // A turn that is handed to a poll whose executor is gone would never run.
      response.on('close', () => {
        if (parked.includes(response)) parked.splice(parked.indexOf(response), 1)
      })
      handOver()
    } else if (/^\/v1\/turns\/[^/]+\/commands\?after=\d+$/.test(incoming.url ?? '')) {
      listening.add(response)
      response.on('close', () => listening.delete(response))
      tell()
    } else if (incoming.url?.startsWith('/model/')) {
      forward(incoming, response)
    } else {
      faults.push(`a request to ${incoming.url}`)
      response.writeHead(404).end()
    }
  })
  server.on('upgrade', serveEvents)
  const listen = async (): Promise<void> => {
    server.listen(socketPath)
    await once(server, 'listening')
  }
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    for (const stream of streams) stream.destroy()
    await closed
  }
  await listen()

  return {
    socketPath,
    token,
    polls: () => polls,
    offer: (turn) => {
      turns.push(turn)
      handOver()
    },
    say: (command) => {
      said.push(command)
      tell()
    },
    endTurns: () => {
      ended = true
      handOver()
    },
    replaceAttempt: () => {
      replaced = true
    },
    cutAfterReceiving: (times) => {
      cutsAfter = times
    },
    cutBeforeReceiving: (times) => {
      cutsBefore = times
    },
    received: (run_id) => held.get(run_id) ?? [],
    arrivals,
    faults,
    modelCalls,
    until: (run_id, matches) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = held.get(run_id)?.find(({ event }) => matches(event))
          if (found === undefined) return
          watchers.delete(look)
          resolve(found.event)
        }
        watchers.add(look)
        look()
      }),
    goAway: stop,
    comeBack: listen,
    close: stop,
  }
}
