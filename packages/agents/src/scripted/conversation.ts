/**
 * What a scenario sees of a request: the prompts that people wrote and what the tools answered since the last one.
 * Everything that the agent runtime adds on its own (reminders, interruption notes) is left out here, in one place.
 */
import type { InputBlock, InputMessage, MessagesRequest } from './messages.ts'

export interface Exchange {
  tool: string
  input: Record<string, unknown>
  /** Absent while no result is in the conversation, for example after an interruption. */
  result?: { text: string; is_error: boolean }
}

export interface Conversation {
  /** What the user wrote, oldest first. */
  prompts: string[]
  /** The last prompt; empty when there is none. */
  prompt: string
  /** Tool calls since the last prompt, in order. */
  exchanges: Exchange[]
  /** What the assistant said since the last prompt. */
  said: string[]
  tools: ReadonlySet<string>
  /** The agent's working directory, when its runtime mentions it. */
  cwd: string | undefined
}

const notWrittenByPeople =
  /^\s*(<system-reminder>|<local-command-|<command-|\[Request interrupted|Continue from where you left off\.)/

/** The runtime also appends its reminders to what a tool answered. */
const reminder = /\s*<system-reminder>[\s\S]*?<\/system-reminder>\s*/g

const isPrompt = (block: InputBlock): block is InputBlock & { type: 'text' } =>
  block.type === 'text' && block.text.trim() !== '' && !notWrittenByPeople.test(block.text)

const workingDirectory = (request: MessagesRequest): string | undefined => {
  const pattern = /working directory: (\/[^\n]*)/i
  for (const message of request.messages) {
    for (const block of message.blocks) {
      const found = block.type === 'text' ? pattern.exec(block.text)?.[1] : undefined
      if (found !== undefined) return found.trim()
    }
  }
  return pattern.exec(request.system)?.[1]?.trim()
}

const toolResults = (messages: InputMessage[]): Map<string, { text: string; is_error: boolean }> => {
  const results = new Map<string, { text: string; is_error: boolean }>()
  for (const { blocks } of messages) {
    for (const block of blocks) {
      if (block.type === 'tool_result') {
        results.set(block.tool_use_id, { text: block.text.replaceAll(reminder, ''), is_error: block.is_error })
      }
    }
  }
  return results
}

/** Reads the conversation out of a request. */
export const readConversation = (request: MessagesRequest): Conversation => {
  const prompts: string[] = []
  let exchanges: Exchange[] = []
  let said: string[] = []
  const results = toolResults(request.messages)
  for (const { role, blocks } of request.messages) {
    if (role === 'user') {
      const text = blocks
        .filter(isPrompt)
        .map((block) => block.text)
        .join('\n\n')
      if (text === '') continue
      prompts.push(text)
      exchanges = []
      said = []
      continue
    }
    for (const block of blocks) {
      if (block.type === 'text') said.push(block.text)
      if (block.type !== 'tool_use') continue
      const result = results.get(block.id)
      exchanges.push({ tool: block.name, input: block.input, ...(result === undefined ? {} : { result }) })
    }
  }
  return {
    prompts,
    prompt: prompts.at(-1) ?? '',
    exchanges,
    said,
    tools: new Set(request.tools),
    cwd: workingDirectory(request),
  }
}
