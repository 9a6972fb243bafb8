/**
 * The process of a turn that went well, waiting for the conversation's next turn: that one then begins without the half second or
 * more that a process takes to start and to read the conversation. It may serve a turn for which a new process would be just the same;
 * for any other it is ended.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Turn } from '@tutti/contracts'
import { conversationFile, isWritten } from './conversation.ts'
import type { ClaudeRuntimeConfig } from './options.ts'
import type { AgentProcess, Whereabouts } from './process.ts'
import type { Spent } from './spent.ts'

export interface Resting {
  agent: AgentProcess
  /** What the process has spent by now. A new one would begin with what the ledger has. */
  spent: Spent
  /** Whether a new process would be no other. */
  suits(turn: Turn): Promise<boolean>
}

export interface Played {
  turn: Turn
  session: string
  spent: Spent
  /** The last message of the conversation. */
  uuid: string
  /** See `guidesOf`; from before the process has read them. */
  guides: string | undefined
}

/** Undefined where the process is to end: it is not as a new one would be, or has not written down what it told. */
export const rest = async (
  agent: AgentProcess,
  { turn, session, spent, uuid, guides }: Played,
  config: ClaudeRuntimeConfig,
): Promise<Resting | undefined> => {
  if (guides === undefined || !isAtHome(agent.whereabouts(), turn, config)) return undefined
  const path = await conversationFile(config.configDir, session)
  if (path === undefined || !(await isWritten(path, uuid))) return undefined
  const { ino } = await stat(path)
  const told = toldOf(turn)
  return {
    ...{ agent, spent },
    suits: async (next) =>
      next.resume === session &&
      next.continues !== true &&
      toldOf(next) === told &&
      // Of a file that was put in its place it would know nothing.
      (await stat(path).catch(() => undefined))?.ino === ino &&
      (await guidesOf(next, config)) === guides &&
      (await answers(agent, next)),
  }
}

/** Of an end that came while all stood still the news needs a moment: only an answer shows that it lives. */
const answers = (agent: AgentProcess, { permission_mode }: Turn): Promise<boolean> =>
  agent.query.setPermissionMode(permission_mode).then(
    () => true,
    () => false,
  )

/** Whether a turn may leave its process to the next one. What servers are connected with does not outlast a long rest. */
export const mayRest = (turn: Turn): boolean => {
  const limits = [turn.max_turns, turn.output_schema]
  const flags = [turn.continues, turn.browser, turn.memory]
  const servers = [...Object.keys(turn.mcp_servers ?? {}), ...(turn.plugins ?? [])]
  return (
    turn.permission_mode !== 'plan' &&
    limits.every((limit) => limit === undefined) &&
    flags.every((flag) => flag !== true) &&
    servers.length === 0
  )
}

/** What a process is told at its start. The rules are asked call by call. */
const toldOf = ({ run_id, attempt, prompt, resume, rules, continues, answers, ...told }: Turn): string =>
  JSON.stringify(told)

/** A shell that has gone elsewhere, or a mode that the agent itself has chosen, would go on in the next turn. */
const isAtHome = (last: Whereabouts | undefined, turn: Turn, config: ClaudeRuntimeConfig): boolean =>
  last === undefined || (last.cwd === join(config.cwd, turn.cwd ?? '.') && last.mode === turn.permission_mode)

const guides = ['CLAUDE.md', 'CLAUDE.local.md', 'AGENTS.md', '.mcp.json', '.claude']
const ownGuides = ['CLAUDE.md', 'settings.json', 'rules', 'skills', 'commands', 'agents', 'output-styles']

/** So many files are looked at; who has more goes without. */
const mostGuides = 2_000

/**
 * What a process reads at its start to know how to behave, by time and size: the agent itself, or a command of its, may have changed
 * it. Undefined where that can't be told: there are too many, or one names others that it takes in.
 */
export const guidesOf = async (turn: Turn, { cwd, configDir }: ClaudeRuntimeConfig): Promise<string | undefined> => {
  const steps = (turn.cwd ?? '').split('/').filter((part) => part !== '' && part !== '.')
  const folders = [cwd, ...steps.map((_, at) => join(cwd, ...steps.slice(0, at + 1)))]
  const roots = [
    ...folders.flatMap((folder) => guides.map((name) => join(folder, name))),
    ...ownGuides.map((name) => join(configDir, name)),
  ]
  const marks: string[] = []
  for (const root of roots) {
    const within = await readdir(root, { recursive: true }).catch(() => [])
    for (const path of [root, ...within.map((name) => join(root, name))]) {
      const found = await stat(path, { bigint: true }).catch(() => undefined)
      if (found === undefined) continue
      if (found.isFile()) marks.push(`${path} ${found.mtimeNs} ${found.size} ${found.ino}`)
      if (marks.length > mostGuides || (isProse(path) && (await takesInOthers(path)))) return undefined
    }
  }
  return marks.join('\n')
}

const isProse = (path: string): boolean => /(?:CLAUDE(?:\.local)?|AGENTS)\.md$/.test(path)

const takesInOthers = async (path: string): Promise<boolean> =>
  /(?:^|\s)@\S/.test(await readFile(path, 'utf8').catch(() => ''))

/** What a process that was killed leaves: the next one is not to take it for another that still lives. */
export const removeRemains = async (configDir: string): Promise<void> => {
  const remains = ['sessions', 'shell-snapshots'].map((name) => join(configDir, name))
  await Promise.all(remains.map((path) => rm(path, { recursive: true, force: true }).catch(() => undefined)))
}
