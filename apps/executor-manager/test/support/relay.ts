/** A relay without a sandbox around it, and who speaks to it. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { AccountAnswer, AccountRun, NumberedAgentEvent, Turn } from '@tutti/contracts'
import { silentLogger } from '@tutti/telemetry'
import type { BackendClient } from '../../src/backend/client.ts'
import { createCommandBox } from '../../src/claim/commands.ts'
import type { Lease } from '../../src/claim/lease.ts'
import type { ModelAccess } from '../../src/deps.ts'
import { type Account, createAccount } from '../../src/relay/account.ts'
import type { Assignment } from '../../src/relay/assignment.ts'
import { createIntake, type Intake } from '../../src/relay/intake.ts'
import { onSocket } from '../../src/relay/listen.ts'
import { createRelay, type Relay } from '../../src/relay/relay.ts'
import { defaultSettings, type ManagerSettings } from '../../src/settings.ts'
import { type EventLine, type EventStream, openEvents } from './event-stream.ts'
import { oneProvider } from './one-provider.ts'

export interface Asked {
  method?: string
  body?: unknown
  /** In place of a body in JSON. */
  bytes?: Buffer
  headers?: Record<string, string>
  /** Instead of the relay's own. */
  token?: string | null
  signal?: AbortSignal
}

export interface RelayRig {
  relay: Relay
  socketPath: string
  token: string
  turn: Turn
  intake: Intake
  account: Account
  /** The turn with all that belongs to it; to be assigned. */
  assignment: Assignment
  /** What the backend was told, in order. */
  told: AccountRun[]
  lease: Lease
  stored: NumberedAgentEvent[]
  /** Sends a request and returns its answer once the headers are there. */
  open(path: string, asked?: Asked): Promise<IncomingMessage>
  ask(path: string, asked?: Asked): Promise<{ status: number; body: string; headers: IncomingMessage['headers'] }>
  /** Sends a line on a stream of events that stays open as long as the relay lets it. */
  tell(line: unknown): Promise<EventLine>
  close(): Promise<void>
}

const unused = (): never => {
  throw new Error('not part of this test')
}

export const createRelayRig = async (
  given: {
    events?: (events: NumberedAgentEvent[]) => Promise<{ received: number }>
    baseUrl?: string
    /** In place of one provider. */
    model?: ModelAccess
    /** Beside the turn's own. */
    allowedModels?: string[]
    /** What the backend says to a call that wants to begin. */
    account?: (request: AccountRun) => Promise<Partial<AccountAnswer>>
    rateLimitWaitMs?: number
    settings?: Partial<ManagerSettings>
  } = {},
): Promise<RelayRig> => {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-relay-'))
  const socketPath = join(folder, 'relay.sock')
  const token = randomUUID()
  const run_id = randomUUID()
  const stored: NumberedAgentEvent[] = []
  const over = new AbortController()
  const lease: Lease = {
    ...{ lost: over.signal, cancelled: new AbortController().signal, over: over.signal },
    commands: createCommandBox(),
    cancel: unused,
    ...{ lose: () => over.abort(new Error('lost')), end: () => over.abort(new Error('ended')) },
  }
  const told: AccountRun[] = []
  const backend: BackendClient = {
    ...{ claim: unused, start: unused, renew: unused, finish: unused, memory: unused },
    account: async (_runId, request) => {
      told.push(request)
      return { verdict: 'go', refusal: null, wall_left_ms: null, ...(await given.account?.(request)) }
    },
    events: async (_runId, { events }) => {
      if (given.events !== undefined) return given.events(events)
      stored.push(...events)
      return { received: stored.length }
    },
  }
  const relay = await createRelay({
    ...defaultSettings,
    turnPollMs: 20,
    modelRetryFirstMs: 1,
    ...given.settings,
    ...{
      listen: onSocket(socketPath, given.settings?.requestMs ?? defaultSettings.requestMs),
      token,
      log: silentLogger,
    },
    rateLimitWaitMs: given.rateLimitWaitMs ?? 30_000,
    model:
      given.model ??
      oneProvider({
        ...{ baseUrl: given.baseUrl ?? 'http://127.0.0.1:9', key: 'the key', name: 'special-model' },
        allowedModels: given.allowedModels ?? ['claude-*'],
      }),
  })
  const turn: Turn = {
    ...{ run_id, session_id: randomUUID(), attempt: 2, runtime: 'claude', prompt: 'x', model: 'special-model' },
    permission_mode: 'default',
  }
  const claimed = { run_id, attempt: 2, lease_token: 'lease' }
  const intake = createIntake({ backend, log: silentLogger }, { claimed, workerId: 'w', lease })
  const account = createAccount({ backend, log: silentLogger }, { claimed, workerId: 'w', lease, tellEveryMs: 60_000 })

  const open = async (path: string, asked: Asked = {}): Promise<IncomingMessage> => {
    const presented = asked.token === undefined ? token : asked.token
    const sent = asked.bytes ?? asked.body
    const outgoing = httpRequest({
      ...{ socketPath, path, method: asked.method ?? (sent === undefined ? 'GET' : 'POST') },
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
      headers: { ...(presented === null ? {} : { authorization: `Bearer ${presented}` }), ...asked.headers },
    })
    outgoing.end(typeof sent === 'string' || Buffer.isBuffer(sent) || sent === undefined ? sent : JSON.stringify(sent))
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return incoming
  }
  let events: EventStream | undefined
  const assignment: Assignment = {
    ...{ turn, intake, account, egress: [], commands: lease.commands },
    screenshot: async (toolUseId) => `replays/${toolUseId}.png`,
  }
  return {
    ...{ relay, socketPath, token, turn, intake, account, assignment, told, lease, stored, open },
    ask: async (path, asked) => {
      const incoming = await open(path, asked)
      return { status: incoming.statusCode ?? 0, body: await text(incoming), headers: incoming.headers }
    },
    tell: async (line) => {
      if (events === undefined || events.socket.destroyed) events = await openEvents({ socketPath, token })
      const answer = await events.say(line)
      // After a refusal there is nothing to be said any more.
      if (answer.status !== undefined) await events.ended
      return answer
    },
    close: async () => {
      await relay.close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** A provider that answers as the test says. */
export const createProvider = async (listener: RequestListener): Promise<{ url: string; close(): Promise<void> }> => {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
