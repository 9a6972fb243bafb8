/** A folder of this machine, the scripted model, and the real agent runtime between them: fresh for every test. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentEvent, agentEvent, type Turn, type TurnCommand } from '@tutti/contracts'
import { afterEach, beforeEach, expect } from 'vitest'
import {
  type AgentRuntime,
  type ClaudeRuntimeConfig,
  createClaudeRuntime,
  resolveClaudeExecutable,
} from '../../src/index.ts'
import { createScriptedModel, type ScriptedModel, type ScriptedRequest } from '../../src/scripted/index.ts'

export interface RunOptions {
  on?: (event: AgentEvent) => void
  signal?: AbortSignal
  commands?: AsyncIterable<TurnCommand>
  using?: AgentRuntime
  ready?: Promise<void>
}

export interface Stage {
  workspace: string
  requests: ScriptedRequest[]
  /** What the model was sent, whole. */
  bodies: unknown[]
  configDir(): string
  /** Ids of the runtime's processes of this test alone: each has its folder. */
  processes(): Promise<string[]>
  runtime(more?: Partial<ClaudeRuntimeConfig>): AgentRuntime
  /** Runs a turn to its end and checks the promises that hold for every turn. */
  run(asked: Turn, options?: RunOptions): Promise<{ events: AgentEvent[]; last: AgentEvent | undefined }>
}

export const turn = (prompt: string, more: Partial<Turn> = {}): Turn => ({
  run_id: '00000000-0000-4000-8000-000000000001',
  session_id: '00000000-0000-4000-8000-000000000002',
  attempt: 1,
  runtime: 'claude',
  prompt,
  model: 'claude-sonnet-4-5',
  permission_mode: 'default',
  ...more,
})

export const scripted = (steps: unknown[]): string => `Play.\n\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``

/** To be called once in a test file. */
export const useClaude = (): Stage => {
  let model: ScriptedModel
  const stage: Stage = {
    ...{ workspace: '', requests: [], bodies: [] },
    configDir: () => join(stage.workspace, '.tutti', 'claude'),
    processes: async () => {
      const found = await Promise.all(
        (await readdir('/proc')).map(async (pid) => {
          const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
          return environ.split('\0').includes(`CLAUDE_CONFIG_DIR=${stage.configDir()}`) ? [pid] : []
        }),
      )
      return found.flat()
    },
    runtime: (more = {}) =>
      createClaudeRuntime({
        executable: resolveClaudeExecutable(),
        baseUrl: model.url,
        authToken: 'the key',
        cwd: stage.workspace,
        configDir: stage.configDir(),
        env: { PATH: process.env.PATH, HOME: stage.workspace, ANTHROPIC_API_KEY: 'must not be used' },
        ...more,
      }),
    run: async (asked, { on, signal, commands, ready, using = stage.runtime() } = {}) => {
      const events: AgentEvent[] = []
      const options = {
        signal: signal ?? new AbortController().signal,
        ...(commands === undefined ? {} : { commands }),
        ...(ready === undefined ? {} : { ready }),
      }
      for await (const event of using.start(asked, options)) {
        events.push(agentEvent.parse(event))
        on?.(event)
      }
      const ends = events.filter(({ type }) => type === 'done' || type === 'error' || type === 'parked')
      expect(ends).toHaveLength(1)
      expect(events.at(-1)).toBe(ends[0])
      return { events, last: events.at(-1) }
    },
  }
  beforeEach(async () => {
    stage.workspace = await mkdtemp(join(tmpdir(), 'tutti-agents-'))
    stage.requests = []
    stage.bodies = []
    model = await createScriptedModel({
      key: 'the key',
      log: (request) => stage.requests.push(request),
      asked: (body) => stage.bodies.push(body),
    })
  })
  afterEach(async () => {
    await model.close()
    await rm(stage.workspace, { recursive: true, force: true, maxRetries: 5 })
  })
  return stage
}
