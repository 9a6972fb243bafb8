/**
 * The same turn (one command, one answer, the scripted model) as a person types it: `tutti run` through everything, against a stack
 * that is up, and another agent program, `opencode run`, which has no sandbox, no queue and no server. Its second turn goes on with
 * the session of the first. The program is no part of this project: it is looked for in OPENCODE_BIN and in PATH.
 */
import { spawn } from 'node:child_process'
import { access, constants, mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createScriptedModel } from '@tutti/agents/scripted'
import { type Figure, figure, timed } from './measure.ts'
import { scratchFolder } from './scratch.ts'
import { startScratchStack } from './stack.ts'

const tutti = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url))

/** Each program calls its tool by its own name. */
const promptFor = (tool: string): string =>
  `\`\`\`scripted\n[{"tool":"${tool}","input":{"command":"echo hello","description":"Say hello"}},{"say":"done"}]\n\`\`\`\n`

export const opencode = async (quick: boolean): Promise<Figure[]> => {
  const program = await findProgram()
  if (program === undefined) {
    console.error('opencode is neither in PATH nor named by OPENCODE_BIN: skipped')
    return []
  }
  return scratchFolder(async (folder) => {
    const dataDir = join(folder, 'data')
    const stack = await startScratchStack(dataDir)
    const model = await createScriptedModel({ key: 'bench' })
    const ours = turnsOf(process.execPath, [tutti, 'run', '-', '--json'], promptFor('Bash'), folder, {
      TUTTI_DATA_DIR: dataDir,
    })
    const theirs = turnsOf(
      program,
      ['run', '--pure', '--auto', '--format', 'json', '--model', 'scripted/scripted'],
      promptFor('bash'),
      await emptyFolder(folder, 'project'),
      await environmentOf(folder, model.url),
    )
    const took = { ours: [] as number[], ourNext: [] as number[], theirs: [] as number[], theirNext: [] as number[] }
    try {
      for (let n = 0; n < (quick ? 3 : 10); n += 1) {
        took.ourNext.push(await next(ours, await first(ours, took.ours)))
        took.theirNext.push(await next(theirs, await first(theirs, took.theirs)))
      }
    } finally {
      await model.close()
      await stack.stop()
    }
    // The first of each fills caches, and makes opencode its database.
    const named = (name: string, all: number[]): Figure => figure(`opencode: ${name}`, 'ms', all.slice(1))
    const ratios = (one: number[], other: number[]): number[] => one.map((ms, n) => ms / (other[n] ?? Number.NaN))
    return [
      named('tutti run, a new session', took.ours),
      named('opencode run, a new session', took.theirs),
      named('tutti run, the session’s next turn', took.ourNext),
      named('opencode run, the session’s next turn', took.theirNext),
      { ...named('tutti run to opencode run, a new session, pair by pair', ratios(took.ours, took.theirs)), unit: '×' },
      { ...named('the same, the next turn', ratios(took.ourNext, took.theirNext)), unit: '×' },
    ]
  })
}

type Turn = (session?: string) => Promise<string>

/** @returns the session */
const first = async (turn: Turn, took: number[]): Promise<string> => {
  const before = performance.now()
  const session = await turn()
  took.push(performance.now() - before)
  return session
}

const next = (turn: Turn, session: string): Promise<number> => timed(() => turn(session))

const findProgram = async (): Promise<string | undefined> => {
  const { OPENCODE_BIN, PATH = '' } = process.env
  const candidates = OPENCODE_BIN ? [OPENCODE_BIN] : PATH.split(delimiter).map((folder) => join(folder, 'opencode'))
  for (const candidate of candidates) {
    const runs = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return candidate
  }
  return undefined
}

const emptyFolder = async (folder: string, name: string): Promise<string> => {
  const path = join(folder, name)
  await mkdir(path)
  return path
}

/** A home of its own, the scripted model as its only provider, and nothing that asks the network. */
const environmentOf = async (folder: string, url: string): Promise<Record<string, string>> => {
  const home = await emptyFolder(folder, 'home')
  const provider = {
    ...{ npm: '@ai-sdk/anthropic', name: 'Scripted', options: { baseURL: `${url}/v1`, apiKey: 'bench' } },
    models: { scripted: { name: 'scripted' } },
  }
  const config = {
    ...{ provider: { scripted: provider }, enabled_providers: ['scripted'], small_model: 'scripted/scripted' },
    ...{ autoupdate: false, share: 'disabled' },
  }
  return {
    HOME: home,
    ...{ XDG_CONFIG_HOME: join(home, 'config'), XDG_DATA_HOME: join(home, 'data') },
    ...{ XDG_CACHE_HOME: join(home, 'cache'), XDG_STATE_HOME: join(home, 'state') },
    ...{ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1' },
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
  }
}

/** @returns what does a turn, in a session if one is named; it answers the session, and throws where the work was not done */
const turnsOf =
  (file: string, args: string[], prompt: string, cwd: string, env: Record<string, string>): Turn =>
  async (session) => {
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(file, [...args, ...(session === undefined ? [] : ['--session', session])], {
      ...{ cwd, env: { PATH, HOME, ...env }, stdio: ['pipe', 'pipe', 'pipe'] },
    })
    child.stdin.end(prompt)
    const [said, complaints] = await Promise.all([buffer(child.stdout), buffer(child.stderr)])
    const lines = said.toString()
    const [, id] = /"(?:sessionID|session_id)":"([^"]+)"/.exec(lines) ?? []
    // What the command printed is the proof that it ran: the prompt itself never comes back in these lines.
    if (id === undefined || !/"hello\\n"|"hello"|hello\\n/.test(lines))
      throw new Error(`${file} did not do the turn:\n${lines.slice(-2_000)}${complaints.toString().slice(-2_000)}`)
    return id
  }
