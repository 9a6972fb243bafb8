/** How a turn goes on that was parked: whether the runtime will take up the call that waited, or must be told what was answered. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentEvent, PermissionMode, RequestAnswer, Turn } from '@tutti/contracts'
import { isRecord } from '../loose.ts'
import { readRecord } from './record.ts'

export interface GoingOn {
  /** What attempts before this one said and did, and could not tell. */
  untold: AgentEvent[]
  /** Of the call that the runtime takes up by itself. */
  answers: RequestAnswer[]
  /** What is said to it; null where it goes on by itself. */
  prompt: string | null
  /** The turn had come to its end, and only the news of that were lost. */
  lastWord?: string
  permission_mode: PermissionMode
}

/** A turn that begins says its prompt. */
export const goOn = async (turn: Turn, configDir: string): Promise<GoingOn> => {
  const { answers = [], permission_mode, resume } = turn
  if (turn.continues !== true) return { untold: [], answers: [], prompt: turn.prompt, permission_mode }
  const anew = {
    ...{ untold: [], answers: [], prompt: `${turn.prompt}${toldAnswers(answers)}` },
    permission_mode: modeAfter(turn),
  }
  if (resume === undefined) return anew
  const { untold, lastWord, ...record } = await readRecord(configDir, resume, turn)
  const taken = answers.filter(({ tool_use_id }) => record.deferred === tool_use_id)
  if (taken.length > 0) return { untold, answers: taken, prompt: null, permission_mode }
  // Its host died before the files of the parked turn were stored, and these are of the turn before: "continue" would be said to an agent
  // that has nothing left to do, and the turn would end well without a word of it done.
  if (!record.begun) return anew
  if (lastWord !== undefined && turn.output_schema === undefined)
    return { untold, answers: [], prompt: null, permission_mode, lastWord }
  // An attempt that ended too soon has taken it up already.
  const unheard = answers.filter(({ tool_use_id }) => !record.answered.has(tool_use_id))
  const prompt = `Continue from where you left off.${toldAnswers(unheard)}`
  return { untold, answers: [], prompt, permission_mode: modeAfter(turn) }
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
