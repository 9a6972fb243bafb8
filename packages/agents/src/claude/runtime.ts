/** The Claude Agent SDK as an agent runtime: a thin loop around the mapping, which does the thinking. */
import type { Query, SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'
import type { AgentEvent, Turn } from '@tutti/contracts'
import { coalesceDeltas } from '../coalesce.ts'
import type { AgentRuntime } from '../runtime.ts'
import { createLedger } from './ledger.ts'
import { initialState, type MappingState, mapMessage } from './mapping.ts'
import { type ClaudeRuntimeConfig, sdkOptions } from './options.ts'
import type { Terminal } from './outcome.ts'
import { nothingSpent } from './spent.ts'

/** How long the runtime may take to stop, after an interruption or after its result, before it is killed. */
const graceMs = 5_000

/** Of what the process wrote to stderr, so much goes into an error: enough for a stack, too little to flood a log. */
const longestStderr = 2_000

// Loaded with the first turn, not with this module: it takes a tenth of a second, and most importers never run a turn.
const loadSdk = () => import('@anthropic-ai/claude-agent-sdk')

const interrupted: Terminal = {
  type: 'error',
  code: 'interrupted',
  message: 'The turn was interrupted.',
  retryable: true,
}

const failed = (message: string, retryable: boolean): Terminal => ({
  type: 'error',
  code: 'runtime_failed',
  message,
  retryable,
})

const userMessage = (prompt: string): SDKUserMessage => ({
  type: 'user',
  message: { role: 'user', content: prompt },
  parent_tool_use_id: null,
})

/** A turn that did not succeed while its signal was aborted was interrupted, whatever the runtime calls it. */
const withSignal = (terminal: Terminal, signal: AbortSignal): Terminal => {
  if (terminal.type === 'done' || !signal.aborted) return terminal
  const { usage, cost_usd } = terminal
  return { ...interrupted, ...(usage === undefined ? {} : { usage }), ...(cost_usd === undefined ? {} : { cost_usd }) }
}

async function* runTurn(turn: Turn, config: ClaudeRuntimeConfig, signal: AbortSignal): AsyncGenerator<AgentEvent> {
  if (signal.aborted) {
    yield interrupted
    return
  }
  const sdk = await loadSdk()
  const inputEnds = Promise.withResolvers<void>()
  const kill = new AbortController()
  let stderr = ''
  let killTimer: NodeJS.Timeout | undefined
  const killSoon = (): void => {
    killTimer ??= setTimeout(() => kill.abort(), graceMs)
  }
  // Kept open until the result: with a closed input the runtime can be neither interrupted nor asked for permissions.
  const prompt = async function* (): AsyncGenerator<SDKUserMessage> {
    yield userMessage(turn.prompt)
    await inputEnds.promise
  }
  let query: Query | undefined
  const interrupt = (): void => {
    killSoon()
    query?.interrupt().catch(() => kill.abort())
  }
  const ledger = createLedger(config.configDir)
  const before = turn.resume === undefined ? nothingSpent : await ledger.read(turn.resume)
  let state: MappingState = { ...initialState, before }
  let terminal: Terminal | undefined
  try {
    query = sdk.query({
      prompt: prompt(),
      options: {
        ...sdkOptions(turn, config),
        abortController: kill,
        stderr: (data) => {
          stderr = (stderr + data).slice(-longestStderr)
        },
      },
    })
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    for await (const message of query) {
      const mapped = mapMessage(state, message, performance.now())
      state = mapped.state
      yield* mapped.events
      if (mapped.hopeless === true) interrupt()
      if (mapped.end === undefined) continue
      terminal = mapped.end.terminal
      await ledger.write(mapped.end.session, mapped.end.total)
      // The event waits until the process is gone: only then is its session written completely, ready to be exported.
      inputEnds.resolve()
      killSoon()
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    terminal ??= failed(
      [message, stderr.trim()].filter((part) => part !== '').join('\n'),
      !message.includes('not found'),
    )
  } finally {
    signal.removeEventListener('abort', interrupt)
    clearTimeout(killTimer)
    inputEnds.resolve()
    query?.close()
  }
  yield withSignal(terminal ?? failed('The agent runtime ended without a result.', true), signal)
}

/** An agent runtime over the real Claude Agent SDK. */
export const createClaudeRuntime = (config: ClaudeRuntimeConfig): AgentRuntime => ({
  name: 'claude',
  prepare: async () => {
    await loadSdk()
  },
  start: (turn, { signal }) => coalesceDeltas(runTurn(turn, config, signal)),
})
