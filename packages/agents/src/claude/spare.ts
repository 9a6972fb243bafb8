/**
 * A process of the runtime that is started before its turn is known, and claimed by the first turn that it can serve:
 * the turn then begins without the second that such a process takes to start. What it can't be told any more (a
 * conversation to resume, servers, another set of tools) belongs to a turn that starts its own.
 */
import { mkdir, mkdtemp, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { ClaimOptions, Options, SDKUserMessage, SpareProcess } from '@anthropic-ai/claude-agent-sdk'
import type { Turn } from '@tutti/contracts'
import { type ClaudeRuntimeConfig, sdkOptions } from './options.ts'
import { type AgentProcess, createWiring, processOf } from './process.ts'
import type { loadSdk } from './sdk.ts'

type Sdk = Pick<Awaited<ReturnType<typeof loadSdk>>, 'prewarm'>

export interface Spare {
  /** Connected to the turn; undefined where this can't serve it: then it is ended, and has written nothing since. Never rejects. */
  claim(turn: Turn, options: Options, messages: AsyncIterable<SDKUserMessage>): Promise<AgentProcess | undefined>
  /** Ends it, unless it was claimed. Never rejects. */
  discard(): Promise<void>
}

/** Its start may take so long; on a busy machine it takes seconds. */
const startMs = 30_000

/** It is at rest when nothing has changed in so many looks. */
const quietLooks = 5
const lookMs = 100
const settleMs = 10_000

/** Fixed when it starts, but for the mode, which the claim names. What each call may is decided by hooks, turn by turn. */
const plain: Turn = {
  ...{ run_id: '', session_id: '', attempt: 1, runtime: 'claude', prompt: '', model: '' },
  ...{ permission_mode: 'default', attended: true },
}

/** Whether a turn needs nothing that is fixed when the process starts. */
export const suitsSpare = (turn: Turn): boolean => {
  const fixed = [turn.resume, turn.tools, turn.max_turns, turn.output_schema]
  const more = [turn.continues, turn.browser, turn.memory]
  const added = [...Object.keys(turn.mcp_servers ?? {}), ...(turn.plugins ?? [])]
  return (
    turn.attended === true &&
    turn.permission_mode !== 'plan' &&
    fixed.every((one) => one === undefined) &&
    more.every((one) => one !== true) &&
    added.length === 0
  )
}

/** Rejects where none can be started. */
export const startSpare = async (sdk: Sdk, config: ClaudeRuntimeConfig): Promise<Spare> => {
  await mkdir(config.configDir, { recursive: true })
  const before = await identityOf(config.configDir)
  let claimed = false
  const { model: _none, ...options } = sdkOptions(plain, config)
  const wiring = createWiring({
    ...options,
    cwd: await mkdtemp(join(tmpdir(), 'waiting-')),
    // Only makes the mode claimable; nothing runs in it that the claim did not name.
    allowDangerouslySkipPermissions: true,
    // Only says that there is somebody to ask.
    canUseTool: async () => ({ behavior: 'deny' as const, message: 'There is no turn.' }),
  })
  const waiting = await sdk.prewarm({ initializeTimeoutMs: startMs, options: wiring.options })
  await settled(config.configDir)
  // Told by `claim`; one that ends unclaimed is noticed there, too.
  waiting.claimed.catch(() => undefined)

  const end = async (): Promise<void> => {
    await wiring.kill()
    await Promise.resolve(waiting.close()).catch(() => undefined)
  }
  const discard = async (): Promise<void> => {
    if (claimed) return
    claimed = true
    await end()
  }
  return {
    discard,
    claim: async (turn, given, messages) => {
      // In another folder are another session's files, or skills that this process has never seen.
      const same = (await identityOf(config.configDir)) === before
      if (claimed || !same || !suitsSpare(turn)) {
        await discard()
        return undefined
      }
      claimed = true
      wiring.connect(given, onceClaimed(waiting, messages))
      try {
        const query = waiting.claim({ prompt: wiring.said, options: claimOf(turn, given) })
        await waiting.claimed
        return processOf(query, wiring)
      } catch {
        // Refused for what lies in the workspace, or gone meanwhile. It has not seen the prompt.
        await end()
        return undefined
      }
    },
  }
}

const claimOf = (turn: Turn, { cwd = '', permissionMode, agents }: Options): ClaimOptions => ({
  ...{ cwd, model: turn.model },
  ...(permissionMode === undefined ? {} : { permissionMode }),
  ...(agents === undefined ? {} : { agents }),
  ...(turn.instructions === undefined ? {} : { appendSystemPrompt: turn.instructions }),
})

/** Held back until then: a prompt that a refused process has taken would be lost to the one that is started instead. */
async function* onceClaimed(
  waiting: SpareProcess,
  messages: AsyncIterable<SDKUserMessage>,
): AsyncGenerator<SDKUserMessage> {
  const claimed = await waiting.claimed.then(
    () => true,
    () => false,
  )
  if (claimed) yield* messages
}

/**
 * Waits until it has written down what it writes at its start. It may be stopped then, and go on where its folder is
 * another session's.
 */
const settled = async (folder: string): Promise<void> => {
  const deadline = performance.now() + settleMs
  let before = ''
  for (let quiet = 0; quiet < quietLooks && performance.now() < deadline; ) {
    await setTimeout(lookMs)
    const names = await readdir(folder, { recursive: true })
    const now = (await Promise.all(names.sort().map((name) => stampOf(join(folder, name))))).join('\n')
    quiet = now === before && names.includes('.claude.json') ? quiet + 1 : 0
    before = now
  }
}

const stampOf = (path: string): Promise<string> =>
  stat(path).then(
    ({ mtimeMs, size }) => `${path} ${mtimeMs} ${size}`,
    () => path,
  )

/** Of a folder, wherever it lies; undefined where there is none. */
const identityOf = (path: string): Promise<string | undefined> =>
  stat(path).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => undefined,
  )
