/** The runtime's own record of a conversation, as far as a turn that goes on in it has to know it. */
import { readFile } from 'node:fs/promises'
import { type AgentEvent, mostTold, type Turn } from '@tutti/contracts'
import { type Loose, record, records, text } from '../loose.ts'
import { contentBlocks } from './blocks.ts'
import { conversationFile } from './conversation.ts'
import { beginningsOf } from './input.ts'
import { initialState, mapMessage } from './mapping.ts'

export interface ConversationRecord {
  /** The call that waits to be taken up. */
  deferred: string | undefined
  answered: ReadonlySet<string>
  /** The run's prompt has been said in it. */
  begun: boolean
  /** What it has of the run, and nobody was told: an attempt before this one was lost before that arrived. */
  untold: AgentEvent[]
  /** The run's last word, where nothing is left to do: asked to go on, the agent would say it again. */
  lastWord: string | undefined
}

export const readRecord = async (
  configDir: string,
  session: string,
  { run_id, told = [] }: Pick<Turn, 'run_id' | 'told'>,
): Promise<ConversationRecord> => {
  const entries = (await linesOf(configDir, session)).map(parsed)
  const beginning = `${beginningsOf(run_id)}-`
  const first = entries.findIndex(({ uuid }) => text(uuid).startsWith(beginning))
  const own = first < 0 ? [] : entries.slice(first).filter(isSaid)
  const answered = new Set(entries.flatMap(answeredIn))
  const deferred = entries.map(deferredIn).findLast((id) => id !== undefined)
  return {
    deferred: deferred !== undefined && answered.has(deferred) ? undefined : deferred,
    answered,
    begun: first >= 0,
    untold: untoldOf(own.flatMap(eventsOf), told),
    lastWord: lastWordIn(own.at(-1)),
  }
}

/** What stands behind the last that is known. Where that is none, all was lost, or what is known of it was too long ago to be among these. */
const untoldOf = (events: AgentEvent[], told: string[]): AgentEvent[] => {
  const known = new Set(told)
  const last = events.findLastIndex((event) => 'entry' in event && event.entry !== undefined && known.has(event.entry))
  return last < 0 && told.length >= mostTold ? [] : events.slice(last + 1)
}

/** Sub-agents have records of their own, which some versions keep in the same file. */
const isSaid = (entry: Loose): boolean =>
  (entry.type === 'assistant' || entry.type === 'user') && entry.isSidechain !== true

const lastWordIn = (entry: Loose | undefined): string | undefined => {
  const message = record(entry?.message)
  if (message.stop_reason !== 'end_turn') return undefined
  return contentBlocks(message.content)
    .flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('')
}

/** How long a tool ran is not in the record. */
const eventsOf = (entry: Loose): AgentEvent[] => mapMessage(initialState, entry, 0).events

const answeredIn = (entry: Loose): string[] =>
  records(record(entry.message).content).flatMap((block) =>
    block.type === 'tool_result' ? [text(block.tool_use_id)] : [],
  )

const deferredIn = (entry: Loose): string | undefined => {
  const attachment = record(entry.attachment)
  return attachment.type === 'hook_deferred_tool' ? text(attachment.toolUseID) : undefined
}

const parsed = (line: string): Loose => {
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
