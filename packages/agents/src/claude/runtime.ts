/** The Claude Agent SDK as an agent runtime: a thin loop around the mapping, which does the thinking. */
import { join } from 'node:path'
import type { McpServerConfig, Options, Query, SDKMessage } from '@anthropic-ai/claude-agent-sdk'
import type { AgentEvent, Turn, TurnCommand } from '@tutti/contracts'
import { type Browser, openBrowser } from '../browser/browser.ts'
import { browserMcp, browserServer, isBrowserTool } from '../browser/server.ts'
import { coalesceDeltas } from '../coalesce.ts'
import { isRecord, text } from '../loose.ts'
import { memoryServer } from '../memory/tools.ts'
import { misfit, notFitting } from '../output.ts'
import type { AgentRuntime, StartOptions } from '../runtime.ts'
import { type Aside, createAside } from './aside.ts'
import { type Consent, createConsent } from './consent.ts'
import { goOn, newestPlan, plansFolder } from './going-on.ts'
import { createToolHooks } from './hooks.ts'
import { createInput, type TurnInput } from './input.ts'
import { createLedger } from './ledger.ts'
import { initialState, mapMessage } from './mapping.ts'
import { type ClaudeRuntimeConfig, sdkOptions } from './options.ts'
import type { Terminal } from './outcome.ts'
import type { AgentProcess } from './process.ts'
import { guidesOf, mayRest, rest } from './resting.ts'
import { loadSdk } from './sdk.ts'
import { createServerWatch } from './servers.ts'
import { nothingSpent, type Spent } from './spent.ts'
import { createWaiting, type Waiting } from './waiting.ts'

/** How long the runtime may take to stop after an interruption, before it is killed. */
const graceMs = 5_000

/** After its result it writes the conversation down: killed on a busy machine it would forget which call waits for an answer. */
const writingMs = 20_000

/** Of what the process wrote to stderr, so much goes into an error: enough for a stack, too little to flood a log. */
const longestStderr = 2_000

const interrupted: Terminal = {
  type: 'error',
  code: 'interrupted',
  message: 'The turn was interrupted.',
  retryable: true,
}

/** A turn that had ended before: this attempt spends nothing. */
const ended = { type: 'done', turns: 0, duration_ms: 0, ...nothingSpent } as const

const failed = (message: string, retryable: boolean): Terminal => ({
  type: 'error',
  code: 'runtime_failed',
  message,
  retryable,
})

/** A turn that did not succeed although it was to stop was interrupted, whatever the runtime calls it. */
const asInterrupted = (terminal: Terminal, retryable: boolean): Terminal => {
  if (terminal.type === 'done') return terminal
  const { usage, cost_usd } = terminal
  const spent = { ...(usage === undefined ? {} : { usage }), ...(cost_usd === undefined ? {} : { cost_usd }) }
  return { ...interrupted, retryable, ...spent }
}

async function* runTurn(
  turn: Turn,
  config: ClaudeRuntimeConfig,
  { signal, commands, ready }: StartOptions,
  waiting: Waiting,
): AsyncGenerator<AgentEvent> {
  const taken = waiting.take()
  if (signal.aborted) {
    await taken.discard()
    yield interrupted
    return
  }
  const kill = new AbortController()
  const over = new AbortController()
  const { untold, prompt, answers, permission_mode, lastWord } = await goOn(turn, config.configDir)
  if (lastWord !== undefined) {
    await taken.discard()
    yield* untold
    yield { ...ended, agent_session_id: turn.resume ?? '', result: lastWord }
    return
  }
  // It takes up the call that waited as soon as it is there.
  if (prompt === null) await ready
  const input = createInput(turn.run_id, prompt, ready)
  const plans = plansFolder(config.configDir)
  const cwd = turn.cwd === undefined ? config.cwd : join(config.cwd, turn.cwd)
  const consent = createConsent({ turn: { ...turn, permission_mode }, answers, cwd, plansFolder: plans })
  const aside = createAside()
  let browser: Browser | undefined
  // Waited for: what comes after the call may look different.
  const tools = createToolHooks(async (tool, toolUseId) => {
    if (browser === undefined || !isBrowserTool(tool)) return
    const png = await browser.screenshot()
    if (png !== undefined) aside.add(stored(turn, config, toolUseId, png))
  })
  let stderr = ''
  let killTimer: NodeJS.Timeout | undefined
  const killSoon = (ms: number): void => {
    killTimer ??= setTimeout(() => kill.abort(), ms)
  }
  let agent: AgentProcess | undefined
  const interrupt = (): void => {
    killSoon(graceMs)
    agent?.query.interrupt().catch(() => kill.abort())
  }
  let stopped = false
  const listener = {
    say: input.say,
    stop: (): void => {
      stopped = true
      interrupt()
    },
  }
  const ledger = createLedger(config.configDir)
  let state = initialState
  let spent: { session: string; total: Spent } | undefined
  let said: string | undefined = ''
  let terminal: Terminal | undefined
  let told: ToldOfPlan = {}
  let reminded = false
  try {
    yield* untold
    browser = turn.browser === true ? await startBrowser(config) : undefined
    const memory = turn.memory === true ? await openMemory(turn, config) : undefined
    const options: Options = {
      ...withMemory(sdkOptions(withBrowser({ ...turn, permission_mode }, browser, config), config), memory),
      hooks: { ...tools.hooks, PreToolUse: [{ hooks: [consent.beforeTool] }] },
      // Without it the runtime offers no questions. Where it asks nobody, being offered an answer would make it warn.
      ...(permission_mode === 'bypassPermissions' && turn.attended !== true ? {} : { canUseTool: consent.canUseTool }),
      // What it takes up by itself may not come to the hook; a command that only reads would then not be asked about at all.
      ...(turn.continues === true && turn.attended === true
        ? { settings: { permissions: { ask: consequential } } }
        : {}),
      abortController: kill,
      stderr: (data) => {
        stderr = (stderr + data).slice(-longestStderr)
      },
    }
    const mayStay = config.rests === true && mayRest(turn)
    const guides = mayStay ? await guidesOf(turn, config) : undefined
    const begun = await taken.begin({ ...turn, permission_mode }, options, input.messages)
    agent = begun.agent
    const before = begun.spent ?? (turn.resume === undefined ? nothingSpent : await ledger.read(turn.resume))
    state = { ...state, before }
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    if (commands !== undefined) listen(commands, listener, over.signal)
    for await (const message of agent.messages()) {
      // What a process had still to say of the turn before.
      if (message.type === 'result' && begun.spent !== undefined && !state.started) continue
      said = lastOf(said, message)
      const mapped = mapMessage(state, message, performance.now(), tools.took)
      if (mapped.state.started && !state.started) watchServers(agent.query, turn, aside, over.signal)
      state = mapped.state
      yield* steered(message, input)
      for (const event of mapped.events) {
        told = { ...told, ...toldOfPlan(event) }
        yield event
      }
      yield* aside.take()
      if (mapped.hopeless === true) interrupt()
      if (mapped.end === undefined) continue
      spent = mapped.end
      // Something was said that the runtime has not read: it goes on with that by itself, and has another result then.
      if (mapped.end.terminal.type === 'done' && input.pending() && !stopped && !signal.aborted) continue
      const fault = outputFault(turn, mapped.end.terminal)
      if (fault !== undefined && !reminded && !stopped && !signal.aborted) {
        reminded = true
        input.remind(notFitting(fault))
        continue
      }
      terminal = fault === undefined ? mapped.end.terminal : withoutFit(mapped.end.terminal, fault)
      input.end()
      if (mayStay && terminal.type === 'done' && said !== undefined && !stopped && !signal.aborted) {
        const played = { turn, session: spent.session, spent: spent.total, uuid: said, guides }
        const resting = await rest(agent, played, config)
        if (resting !== undefined && !stopped && !signal.aborted) {
          agent = undefined
          waiting.keep(resting)
          break
        }
      }
      // The event waits until the process is gone: only then is its session written completely, ready to be exported.
      agent.hangUp()
      killSoon(writingMs)
    }
    // What one that ends in order has written down is what the next one begins with; of one that rests or was killed it is the old.
    if (agent !== undefined && spent !== undefined) await ledger.write(spent.session, spent.total)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    terminal ??= failed(
      [message, stderr.trim()].filter((part) => part !== '').join('\n'),
      !message.includes('not found'),
    )
  } finally {
    signal.removeEventListener('abort', interrupt)
    clearTimeout(killTimer)
    over.abort()
    input.end()
    agent?.hangUp()
    agent?.query.close()
    await taken.discard()
    await browser?.close()
  }
  await aside.settle(graceMs)
  yield* aside.take()
  terminal ??= failed('The agent runtime ended without a result.', true)
  // What a person stopped is not to be tried again by itself.
  if (signal.aborted || stopped) terminal = asInterrupted(terminal, !stopped)
  else if (terminal.type === 'parked')
    yield* request(consent, async () => told.plan ?? (await newestPlan(plans)) ?? told.said ?? '')
  yield terminal
}

/** The number of the conversation's last message; undefined once a sub-agent has written a record of its own beside it. */
const lastOf = (before: string | undefined, message: SDKMessage): string | undefined => {
  if (message.type !== 'assistant' && message.type !== 'user') return before
  return before === undefined || message.parent_tool_use_id !== null ? undefined : (message.uuid ?? before)
}

const outputFault = ({ output_schema }: Turn, terminal: Terminal): string | undefined =>
  terminal.type === 'done' && output_schema !== undefined ? misfit(output_schema, terminal.output) : undefined

const withoutFit = (terminal: Terminal, fault: string): Terminal => ({
  type: 'error',
  code: 'output_invalid',
  message: `The answer does not fit the schema that was asked for: ${fault}.`,
  retryable: false,
  ...(terminal.usage === undefined ? {} : { usage: terminal.usage }),
  ...(terminal.cost_usd === undefined ? {} : { cost_usd: terminal.cost_usd }),
})

/** What the turn is parked for. Of a plan the runtime shows only that there is one: its text is in the plan's file, or was said before. */
async function* request(consent: Consent, plan: () => Promise<string>): AsyncGenerator<AgentEvent> {
  const deferred = consent.deferred()
  if (deferred === undefined) return
  const input = deferred.kind === 'plan' ? { ...deferred.input, plan: await plan() } : deferred.input
  yield { type: 'request', ...deferred, input }
}

interface ToldOfPlan {
  plan?: string
  said?: string
}

const toldOfPlan = (event: AgentEvent): ToldOfPlan => {
  if (event.type === 'tool_call' && event.name === 'ExitPlanMode') {
    const plan = text(event.input.plan)
    return plan === '' ? {} : { plan }
  }
  if (event.type !== 'message' || event.role !== 'assistant' || event.parent_tool_use_id !== null) return {}
  const said = event.blocks.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n')
  return said === '' ? {} : { said }
}

interface Listener {
  say(id: string, text: string): void
  stop(): void
}

/** Hands on what is said to the turn, until it is over. */
const listen = async (commands: AsyncIterable<TurnCommand>, listener: Listener, over: AbortSignal): Promise<void> => {
  try {
    for await (const command of commands) {
      if (over.aborted) return
      if (command.type === 'message') listener.say(command.id, command.text)
      else listener.stop()
    }
  } catch {
    // Whoever sends commands has gone: the turn goes on without.
  }
}

/** The runtime repeats every message that it has read, under the number that the message was given. */
const steered = (message: unknown, input: TurnInput): AgentEvent[] => {
  if (!isRecord(message) || message.type !== 'user' || message.isReplay !== true) return []
  const id = input.taken(text(message.uuid))
  return id === undefined ? [] : [{ type: 'steered', id }]
}

const startBrowser = (config: ClaudeRuntimeConfig): Promise<Browser> => {
  if (config.browser === undefined) throw new Error('The turn asks for a browser, and none was found in the sandbox.')
  return openBrowser({ ...config.browser, env: { PATH: config.env.PATH, HOME: config.env.HOME } })
}

/** Tools of which a call can have waited for consent. Rules for the others ask through the hook alone. */
const consequential = ['Bash', 'Edit', 'MultiEdit', 'NotebookEdit', 'Read', 'WebFetch', 'WebSearch', 'Write']

const withBrowser = (turn: Turn, browser: Browser | undefined, config: ClaudeRuntimeConfig): Turn => {
  if (browser === undefined) return turn
  const server = browserMcp(browser, join(config.cwd, '.tutti', 'browser'))
  return { ...turn, mcp_servers: { ...turn.mcp_servers, [browserServer]: server } }
}

const openMemory = async (turn: Turn, { memory }: ClaudeRuntimeConfig): Promise<McpServerConfig> => {
  if (memory === undefined) throw new Error('The turn asks for a memory, and there is none here.')
  // Its schemas are loaded only by a turn that has use for them.
  const { createMemoryServer } = await import('../memory/server.ts')
  return createMemoryServer((call) => memory(turn, call))
}

const withMemory = (options: Options, memory: McpServerConfig | undefined): Options =>
  memory === undefined ? options : { ...options, mcpServers: { ...options.mcpServers, [memoryServer]: memory } }

const stored = async (
  turn: Turn,
  { browser }: ClaudeRuntimeConfig,
  tool_use_id: string,
  png: Buffer,
): Promise<AgentEvent | undefined> => {
  const key = await browser?.store(turn, tool_use_id, png)
  return key === undefined ? undefined : { type: 'screenshot', tool_use_id, key }
}

const watchServers = (query: Query, turn: Turn, aside: Aside, over: AbortSignal): void => {
  const own = turn.browser === true || turn.memory === true
  if (Object.keys(turn.mcp_servers ?? {}).length === 0 && (turn.plugins ?? []).length === 0 && !own) return
  const watch = createServerWatch(async () => (await query.mcpServerStatus()).map((server) => ({ ...server })))
  watch.follow(over, aside.add).catch(() => undefined)
}

/** An agent runtime over the real Claude Agent SDK. */
export const createClaudeRuntime = (config: ClaudeRuntimeConfig): AgentRuntime => {
  const waiting = createWaiting(config)
  return {
    name: 'claude',
    prepare: async ({ ahead = false } = {}) => {
      if (ahead) await waiting.startAhead()
      else await loadSdk()
    },
    discard: () => waiting.take().discard(),
    start: (turn, options) => coalesceDeltas(runTurn(turn, config, options, waiting)),
  }
}
