/** How a turn goes on that was parked: whether the runtime will take up the call that waited, or must be told what was answered. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { PermissionMode, RequestAnswer, Turn } from '@tutti/contracts'
import { isRecord, record, records, text } from '../loose.ts'
import { conversationFile } from './conversation.ts'
import { beginningsOf } from './input.ts'

export interface GoingOn {
  /** Of the call that the runtime takes up by itself. */
  answers: RequestAnswer[]
  /** What is said to it; null where it goes on by itself. */
  prompt: string | null
  permission_mode: PermissionMode
}

/** A turn that begins says its prompt. */
export const goOn = async (turn: Turn, configDir: string): Promise<GoingOn> => {
  const { answers = [], permission_mode, resume } = turn
  if (turn.continues !== true) return { answers: [], prompt: turn.prompt, permission_mode }
  if (resume === undefined)
    return { answers: [], prompt: `${turn.prompt}${toldAnswers(answers)}`, permission_mode: modeAfter(turn) }
  const record = await readRecord(configDir, resume, turn.run_id)
  const taken = answers.filter(({ tool_use_id }) => record.deferred === tool_use_id)
  if (taken.length > 0) return { answers: taken, prompt: null, permission_mode }
  // Its host died before the files of the parked turn were stored, and these are of the turn before: "continue" would be said to an agent
  // that has nothing left to do, and the turn would end well without a word of it done.
  if (!record.begun)
    return { answers: [], prompt: `${turn.prompt}${toldAnswers(answers)}`, permission_mode: modeAfter(turn) }
  // An attempt that ended too soon has taken it up already.
  const untold = answers.filter(({ tool_use_id }) => !record.answered.has(tool_use_id))
  const prompt = `Continue from where you left off.${toldAnswers(untold)}`
  return { answers: [], prompt, permission_mode: modeAfter(turn) }
}

const modeAfter = ({ permission_mode, answers = [] }: Turn): PermissionMode =>
  answers.find(({ decision, permission_mode }) => decision === 'allow' && permission_mode !== undefined)
    ?.permission_mode ?? permission_mode

const toldAnswers = (answers: readonly RequestAnswer[]): string => {
  const told = answers.map(({ decision, input, message }) => {
    const said = isRecord(input?.answers) ? JSON.stringify(input.answers) : ''
    return [decision === 'allow' ? 'yes' : 'no', said, message ?? ''].filter((part) => part !== '').join(' — ')
  })
  return told.length === 0 ? '' : `\n\nWhat you had asked before was answered: ${told.join('; ')}.`
}

interface ConversationRecord {
  /** The call that waits to be taken up. */
  deferred: string | undefined
  answered: ReadonlySet<string>
  /** The run's prompt has been said in it. */
  begun: boolean
}

/** Reads the runtime's record of a conversation: without a call that waits, a silent query would wait for ever. */
const readRecord = async (configDir: string, session: string, runId: string): Promise<ConversationRecord> => {
  const answered = new Set<string>()
  const beginning = `"uuid":"${beginningsOf(runId)}-`
  let deferred: string | undefined
  let begun = false
  for (const line of await linesOf(configDir, session)) {
    begun ||= line.includes(beginning)
    if (line.includes('"hook_deferred_tool"')) {
      const attachment = record(parsed(line).attachment)
      if (attachment.type === 'hook_deferred_tool') deferred = text(attachment.toolUseID)
    } else if (line.includes('"tool_result"'))
      for (const block of records(record(parsed(line).message).content))
        if (block.type === 'tool_result') answered.add(text(block.tool_use_id))
  }
  return { deferred: deferred !== undefined && answered.has(deferred) ? undefined : deferred, answered, begun }
}

const parsed = (line: string): Record<string, unknown> => {
  try {
    return record(JSON.parse(line))
  } catch {
    // The last line of a process that was killed.
    return {}
  }
}

const linesOf = async (configDir: string, session: string): Promise<string[]> => {
  const path = await conversationFile(configDir, session)
  return path === undefined ? [] : (await readFile(path, 'utf8')).split('\n')
}

/** Where the runtime has the agent write plans. */
export const plansFolder = (configDir: string): string => join(configDir, 'plans')

/** The plan that was written last; undefined where there is none. */
export const newestPlan = async (folder: string): Promise<string | undefined> => {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.md'))
  const plans = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })),
  )
  const newest = plans.sort((a, b) => b.at - a.at)[0]
  return newest && (await readFile(newest.path, 'utf8'))
}
