/** The processes of the runtime that wait for a turn: one that was started ahead, one that has served the conversation before. */
import type { Options, SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'
import type { Turn } from '@tutti/contracts'
import type { ClaudeRuntimeConfig } from './options.ts'
import { type AgentProcess, createWiring, processOf } from './process.ts'
import { type Resting, removeRemains } from './resting.ts'
import { loadSdk } from './sdk.ts'
import { type Spare, startSpare } from './spare.ts'
import type { Spent } from './spent.ts'

export interface Waiting {
  /** Starts one ahead, unless it is there. Rejects where none can be started. */
  startAhead(): Promise<void>
  /** For the conversation's next turn. */
  keep(resting: Resting): void
  /** Whatever waits, for one turn. */
  take(): Taken
}

export interface Taken {
  /** A process that serves the turn: one of these, or a new one. */
  begin(turn: Turn, options: Options, messages: AsyncIterable<SDKUserMessage>): Promise<Begun>
  /** Ends what serves no turn. Never rejects. */
  discard(): Promise<void>
}

export interface Begun {
  agent: AgentProcess
  /** What the process has spent on turns before; undefined: it is new. */
  spent?: Spent
}

export const createWaiting = (config: ClaudeRuntimeConfig): Waiting => {
  let ahead: Spare | undefined
  let rested: Resting | undefined
  return {
    startAhead: async () => {
      ahead ??= await startSpare(await loadSdk(), config)
    },
    keep: (resting) => {
      rested = resting
    },
    take: () => {
      const taken = takenOf(config, ahead, rested)
      ahead = undefined
      rested = undefined
      return taken
    },
  }
}

const takenOf = (config: ClaudeRuntimeConfig, ahead: Spare | undefined, rested: Resting | undefined): Taken => {
  let resting = rested
  const endResting = async (): Promise<void> => {
    const ending = resting
    resting = undefined
    await ending?.agent.kill()
    ending?.agent.query.close()
  }
  return {
    begin: async (turn, options, messages) => {
      if (resting !== undefined && (await resting.suits(turn))) {
        const { agent, spent } = resting
        resting = undefined
        agent.connect(options, messages)
        return { agent, spent }
      }
      await endResting()
      const claimed = await ahead?.claim(turn, options, messages)
      return { agent: claimed ?? (await start(config, options, messages)) }
    },
    discard: async () => {
      await Promise.all([endResting(), ahead?.discard()])
    },
  }
}

const start = async (
  config: ClaudeRuntimeConfig,
  options: Options,
  messages: AsyncIterable<SDKUserMessage>,
): Promise<AgentProcess> => {
  const [sdk] = await Promise.all([loadSdk(), removeRemains(config.configDir)])
  const wiring = createWiring(options)
  wiring.connect(options, messages)
  return processOf(sdk.query({ prompt: wiring.said, options: wiring.options }), wiring)
}
