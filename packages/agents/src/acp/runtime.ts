/** Any agent that speaks the Agent Client Protocol, as an agent runtime: a program of its own, over its standard streams. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type {
  McpServer as AcpServer,
  ClientContext,
  NewSessionResponse,
  PromptResponse,
  StopReason,
} from '@agentclientprotocol/sdk'
import type { AgentEvent, McpServer, MemoryCall, Turn } from '@tutti/contracts'
import { nothingSpent } from '../claude/spent.ts'
import { coalesceDeltas } from '../coalesce.ts'
import type { ServedMemory } from '../memory/serve.ts'
import { memoryServer } from '../memory/tools.ts'
import type { AgentRuntime, StartOptions } from '../runtime.ts'
import { readTextFile, writeTextFile } from './files.ts'
import { createMapping } from './mapping.ts'
import { answerPermission } from './permissions.ts'

export interface AcpRuntimeConfig {
  /** The workspace. */
  cwd: string
  /** Where the model provider is reached, and what it wants to see; in the variables of Anthropic's clients. */
  baseUrl: string
  authToken: string
  env: Readonly<Record<string, string | undefined>>
  /** Asks the memory of the turn's user; rejects with a message for the agent. Without, a turn that wants it is an error. */
  memory?: (turn: Turn, call: MemoryCall) => Promise<unknown>
}

/** How long the agent may take to stop after a cancellation, before it is killed. */
const graceMs = 5_000

const longestStderr = 2_000

/** What the protocol has no words for. Left out silently, a limit would not hold. */
const unknownOptions = ['tools', 'max_turns', 'agents', 'plugins', 'browser', 'output_schema', 'continues'] as const

type Failure = Extract<AgentEvent, { type: 'error' }>

const failure = (code: Failure['code'], message: string, retryable = false): Failure => ({
  ...{ type: 'error', code, message, retryable },
})

const loadSdk = () => import('@agentclientprotocol/sdk')

async function* runTurn(turn: Turn, config: AcpRuntimeConfig, options: StartOptions): AsyncGenerator<AgentEvent> {
  const asked = unknownOptions.filter((name) => turn[name] !== undefined && turn[name] !== false)
  const [program, ...args] = turn.command ?? []
  if (options.signal.aborted) return yield failure('interrupted', 'The turn was interrupted.', true)
  if (program === undefined) return yield failure('invalid_turn', 'The turn names no program that speaks the protocol.')
  if (asked.length > 0)
    return yield failure('invalid_turn', `An agent of this protocol can't be given: ${asked.join(', ')}.`)
  const queue = createQueue()
  withMemory(turn, config, (given) => converse(given, config, options, [program, ...args], queue.push)).then(
    (last) => queue.end(last),
    (error: unknown) => queue.end(failure('runtime_failed', messageOf(error), false)),
  )
  yield* queue.events()
}

/** The memory is one more MCP server of the turn, and ends with it. */
const withMemory = async <T>(turn: Turn, config: AcpRuntimeConfig, use: (turn: Turn) => Promise<T>): Promise<T> => {
  if (turn.memory !== true) return use(turn)
  const memory = await openMemory(turn, config)
  try {
    return await use({ ...turn, mcp_servers: { ...turn.mcp_servers, [memoryServer]: memory.server } })
  } finally {
    await memory.close()
  }
}

const openMemory = async (turn: Turn, { memory }: AcpRuntimeConfig): Promise<ServedMemory> => {
  if (memory === undefined) throw new Error('The turn asks for a memory, and there is none here.')
  // Its schemas are loaded only by a turn that has use for them.
  const { serveMemory } = await import('../memory/serve.ts')
  return serveMemory(async (call) => {
    const writes = call.op === 'add' || call.op === 'update' || call.op === 'delete'
    if (writes && turn.permission_mode === 'plan') throw new Error('Nothing is changed in plan mode.')
    return memory(turn, call)
  })
}

/** Starts the agent, says what there is to say, and resolves with the turn's last event. The agent is gone then. */
const converse = async (
  turn: Turn,
  config: AcpRuntimeConfig,
  { signal, commands, ready }: StartOptions,
  [program, ...args]: [string, ...string[]],
  push: (events: AgentEvent[]) => void,
): Promise<AgentEvent> => {
  const acp = await loadSdk()
  const began = performance.now()
  const cwd = join(config.cwd, turn.cwd ?? '')
  const mapping = createMapping()
  const child = spawn(program, args, {
    ...{ cwd, stdio: ['pipe', 'pipe', 'pipe'], detached: true },
    env: {
      ...config.env,
      ...{ ANTHROPIC_BASE_URL: config.baseUrl, ANTHROPIC_AUTH_TOKEN: config.authToken, ANTHROPIC_MODEL: turn.model },
    },
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    stderr = (stderr + data).slice(-longestStderr)
  })
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`The agent could not be started: ${error.message}`))
    child.once('close', (code) => resolve(`The agent ended with code ${code ?? 'none'}. ${stderr.trim()}`.trim()))
  })
  // With what it has started: the end of a turn is the end of its work.
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has gone by itself.
    }
  }
  let listening = false
  let session = ''
  let stopped = false
  const said: { id: string; text: string }[] = []
  const app = acp
    .client({ name: 'tutti' })
    .onNotification(acp.methods.client.session.update, ({ params }) => {
      // A session that is loaded tells all that was said before; that is known already.
      if (listening && params.sessionId === session) push(mapping.update(params.update, performance.now()))
    })
    .onRequest(acp.methods.client.session.requestPermission, ({ params }) =>
      stopped || signal.aborted ? { outcome: { outcome: 'cancelled' } } : answerPermission(turn, params),
    )
    .onRequest(acp.methods.client.fs.readTextFile, async ({ params }) => ({
      content: await readTextFile(config.cwd, params),
    }))
    .onRequest(acp.methods.client.fs.writeTextFile, async ({ params }) => {
      if (turn.permission_mode === 'plan') throw new Error('Nothing is changed in plan mode.')
      await writeTextFile(config.cwd, params)
      return {}
    })
  const stream = acp.ndJsonStream(
    Writable.toWeb(child.stdin),
    Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>,
  )
  let timer: NodeJS.Timeout | undefined
  let agent: ClientContext | undefined
  const cancel = (): void => {
    timer ??= setTimeout(kill, graceMs)
    if (session === '') kill()
    else agent?.notify(acp.methods.agent.session.cancel, { sessionId: session }).catch(kill)
  }
  const stop = (): void => {
    stopped = true
    cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  const listen = async (): Promise<void> => {
    for await (const command of commands ?? []) {
      if (command.type === 'interrupt') stop()
      else said.push({ id: command.id, text: command.text })
    }
  }
  listen().catch(() => undefined)

  const talk = async (context: ClientContext): Promise<AgentEvent> => {
    agent = context
    const { agentCapabilities, protocolVersion } = await context.request(acp.methods.agent.initialize, {
      protocolVersion: acp.PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: true, writeTextFile: true }, terminal: false },
      clientInfo: { name: 'tutti', version: '0' },
    })
    if (protocolVersion !== acp.PROTOCOL_VERSION)
      return failure('invalid_turn', `The agent speaks version ${protocolVersion} of the protocol.`)
    const setup = { cwd, mcpServers: Object.entries(turn.mcp_servers ?? {}).map(acpServer) }
    const fresh = turn.resume === undefined || agentCapabilities?.loadSession !== true
    if (fresh) session = (await context.request<NewSessionResponse>(acp.methods.agent.session.new, setup)).sessionId
    else {
      await context.request(acp.methods.agent.session.load, { ...setup, sessionId: turn.resume ?? '' })
      session = turn.resume ?? ''
    }
    listening = true
    push([{ type: 'started', agent_session_id: session, model: turn.model, tools: [] }])
    if (signal.aborted || stopped) return failure('interrupted', 'The turn was interrupted.', !stopped)
    const instructions =
      fresh && turn.instructions !== undefined ? [{ type: 'text' as const, text: turn.instructions }] : []
    let prompt = [...instructions, { type: 'text' as const, text: turn.prompt }]
    await ready
    for (let turns = 1; ; turns += 1) {
      const { stopReason } = await context.request<PromptResponse>(acp.methods.agent.session.prompt, {
        sessionId: session,
        prompt,
      })
      push(mapping.flush())
      if (stopReason !== 'end_turn' || signal.aborted || stopped) return endOf(stopReason, !stopped)
      // The protocol has no way to speak in between: what was said meanwhile comes behind the answer.
      const next = said.shift()
      if (next === undefined) {
        const duration_ms = Math.round(performance.now() - began)
        // What it cost is counted at the relay: the protocol does not tell.
        return { ...nothingSpent, type: 'done', agent_session_id: session, result: mapping.said(), turns, duration_ms }
      }
      push([{ type: 'steered', id: next.id }])
      prompt = [{ type: 'text', text: next.text }]
    }
  }

  try {
    // One that could not be started will not be started the next time either.
    const lost = gone.then((message): AgentEvent => failure('runtime_failed', message, child.pid !== undefined))
    const talked = app.connectWith(stream, talk).catch((error: unknown): AgentEvent | Promise<AgentEvent> => {
      if (error instanceof acp.RequestError) return failure('runtime_failed', error.message)
      // The connection broke: how the program ended says more.
      kill()
      return lost
    })
    const last = await Promise.race([talked, lost])
    const isInterrupted = last.type === 'error' && (signal.aborted || stopped)
    return isInterrupted ? failure('interrupted', 'The turn was interrupted.', !stopped) : last
  } finally {
    signal.removeEventListener('abort', cancel)
    clearTimeout(timer)
    push(mapping.flush())
    kill()
    await gone
  }
}

const endOf = (reason: StopReason, retryable: boolean): AgentEvent => {
  switch (reason) {
    case 'max_turn_requests':
      return failure('max_turns', 'The agent reached its limit of requests.')
    case 'max_tokens':
      return failure('model_error', 'The answer was longer than the model may write.')
    case 'refusal':
      return failure('model_error', 'The agent refused to go on.')
    default:
      return failure('interrupted', 'The turn was interrupted.', retryable)
  }
}

const acpServer = ([name, server]: [string, McpServer]): AcpServer =>
  server.type === 'http'
    ? { type: 'http', name, url: server.url, headers: pairs(server.headers) }
    : { name, command: server.command, args: server.args ?? [], env: pairs(server.env) }

const pairs = (of: Record<string, string> = {}) => Object.entries(of).map(([name, value]) => ({ name, value }))

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Events that come from callbacks, as a stream. */
const createQueue = () => {
  let waiting: AgentEvent[] = []
  let changed = Promise.withResolvers<void>()
  let ended = false
  const announce = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  return {
    push: (events: AgentEvent[]): void => {
      if (ended) return
      waiting.push(...events)
      announce()
    },
    end: (last: AgentEvent): void => {
      waiting.push(last)
      ended = true
      announce()
    },
    events: async function* (): AsyncGenerator<AgentEvent> {
      for (;;) {
        const taken = waiting
        waiting = []
        yield* taken
        if (waiting.length > 0) continue
        if (ended) return
        await changed.promise
      }
    },
  }
}

export const createAcpRuntime = (config: AcpRuntimeConfig): AgentRuntime => ({
  name: 'acp',
  prepare: async () => {
    await loadSdk()
  },
  start: (turn, options) => coalesceDeltas(runTurn(turn, config, options)),
})
