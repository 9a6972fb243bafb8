/** The runtime's own record of a conversation, as far as a turn that goes on in it has to know it. */
import { readFile } from 'node:fs/promises'
import type { AgentEvent, Turn } from '@tutti/contracts'
import { type Loose, record, records, text } from '../loose.ts'
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
}

export const readRecord = async (
  configDir: string,
  session: string,
  { run_id, told }: Pick<Turn, 'run_id' | 'told'>,
): Promise<ConversationRecord> => {
  const entries = (await linesOf(configDir, session)).map(parsed)
  const beginning = `${beginningsOf(run_id)}-`
  const first = entries.findIndex(({ uuid }) => text(uuid).startsWith(beginning))
  const answered = new Set(entries.flatMap(answeredIn))
  const deferred = entries.map(deferredIn).findLast((id) => id !== undefined)
  return {
    deferred: deferred !== undefined && answered.has(deferred) ? undefined : deferred,
    answered,
    begun: first >= 0,
    untold: first < 0 ? [] : untoldOf(entries.slice(first), told),
  }
}

/** Of a record that does not know the place any more nothing is told: it is older than the log, or was written anew. */
const untoldOf = (entries: Loose[], told: string | undefined): AgentEvent[] => {
  const events = entries.flatMap(eventsOf)
  if (told === undefined) return events
  const last = events.findIndex((event) => 'entry' in event && event.entry === told)
  return last < 0 ? [] : events.slice(last + 1)
}

/** How long a tool ran is not in the record. */
const eventsOf = (entry: Loose): AgentEvent[] => {
  const isSaid = entry.type === 'assistant' || entry.type === 'user'
  return isSaid && entry.isSidechain !== true ? mapMessage(initialState, entry, 0).events : []
}

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
