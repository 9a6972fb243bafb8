/**
 * A process of the runtime. It may serve several turns of its conversation, one after the other: whatever belongs to one of them
 * (what is said, hooks, questions to a person, stderr) is asked of the turn that is connected at the moment.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { HookCallback, Options, Query, SDKMessage, SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'

export interface AgentProcess {
  readonly query: Query
  /** What it tells, until it has ended. Who stops listening can go on later. */
  messages(): AsyncIterable<SDKMessage>
  /** From now on it serves this turn, and these messages are said to it. */
  connect(turn: Options, messages: AsyncIterable<SDKUserMessage>): void
  /** Nothing will be said any more: it writes down what is left, and ends. */
  hangUp(): void
  /** Ends it by a signal that it can't answer: on its way out it would write. Never rejects. */
  kill(): Promise<void>
  /** Where its tools worked last and under which mode, as far as it used any: both may be others than the turn's. */
  whereabouts(): Whereabouts | undefined
}

export interface Whereabouts {
  cwd: string
  mode: string | undefined
}

/** The process before it has started. */
export interface Wiring extends Omit<AgentProcess, 'query' | 'messages'> {
  /** For the SDK: those that were given, with the turn of the moment in place of what belongs to a turn. */
  readonly options: Options
  /** For the SDK: what is said, turn after turn. */
  readonly said: AsyncIterable<SDKUserMessage>
}

type Said = AsyncIterable<SDKUserMessage> | undefined

/** `canUseTool` is offered where the options have it: the process must know at its start whether there is somebody to ask. */
export const createWiring = (given: Options): Wiring => {
  const killing = new AbortController()
  let child: ChildProcess | undefined
  let turn: Options | undefined
  let next = Promise.withResolvers<Said>()
  let last: Whereabouts | undefined

  const hook: HookCallback = async (input, id, more) => {
    // A sub-agent's whereabouts end with it.
    if (input.agent_id === undefined) last = { cwd: input.cwd, mode: input.permission_mode }
    const [matcher] = turn?.hooks?.[input.hook_event_name] ?? []
    return (await matcher?.hooks[0]?.(input, id, more)) ?? {}
  }
  const matchers = [{ hooks: [hook] }]

  const said = async function* (): AsyncGenerator<SDKUserMessage> {
    for (;;) {
      const messages = await next.promise
      if (messages === undefined) return
      next = Promise.withResolvers()
      yield* messages
    }
  }

  return {
    said: said(),
    options: {
      ...given,
      hooks: { PreToolUse: matchers, PostToolUse: matchers, PostToolUseFailure: matchers },
      ...(given.canUseTool === undefined
        ? {}
        : {
            canUseTool: async (tool, input, more) =>
              (await turn?.canUseTool?.(tool, input, more)) ?? { behavior: 'deny', message: 'There is no turn.' },
          }),
      abortController: killing,
      spawnClaudeCodeProcess: ({ command, args, cwd, env, signal }) => {
        const started = spawn(command, args, {
          ...{ env, signal, killSignal: 'SIGKILL', stdio: ['pipe', 'pipe', 'pipe'] },
          ...(cwd === undefined ? {} : { cwd }),
        })
        started.stderr.on('data', (data: Buffer) => turn?.stderr?.(data.toString()))
        // An abort is told as an error, too; its end is what counts.
        started.on('error', () => undefined)
        child = started
        return started
      },
    },
    connect: (options, messages) => {
      turn = options
      // Of a turn that is over nothing ends the process any more.
      const kill = (): void => void (turn === options && killing.abort())
      options.abortController?.signal.addEventListener('abort', kill, { once: true })
      next.resolve(messages)
    },
    hangUp: () => next.resolve(undefined),
    kill: async () => {
      next.resolve(undefined)
      if (!isAlive(child)) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    whereabouts: () => last,
  }
}

export const processOf = (query: Query, { options: _options, said: _said, ...wiring }: Wiring): AgentProcess => ({
  ...wiring,
  query,
  // Without `return`: a loop that is left must not end the query.
  messages: () => ({ [Symbol.asyncIterator]: () => ({ next: () => query.next() }) }),
})

const isAlive = (child: ChildProcess | undefined): child is ChildProcess =>
  child !== undefined && child.pid !== undefined && child.exitCode === null && child.signalCode === null
