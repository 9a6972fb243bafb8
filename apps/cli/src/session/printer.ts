/** A session's frames as lines of text: what the agent says as it says it, and each tool call with how it came out. */
import { styleText } from 'node:util'
import type { JsonObject, SessionFrame } from '@tutti/contracts'

export interface SessionPrinter {
  print(frame: SessionFrame): void
  /** Ends a line that is still open. */
  end(): void
}

/** What an agent says may hold commands for the terminal: they are not for it to give. */
export const harmless = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, '')

const shorten = (text: string, length: number): string => {
  const flat = harmless(text).replaceAll(/\s+/g, ' ').trim()
  return flat.length <= length ? flat : `${flat.slice(0, length - 1)}…`
}

/** What a person wants to know of a call: the file, the command, the pattern; else its input as JSON. */
const summary = (input: JsonObject): string => {
  const { file_path, command, pattern, path, url, description } = input
  const told = [file_path, command, pattern, path, url, description].find((value) => typeof value === 'string')
  return shorten(typeof told === 'string' ? told : JSON.stringify(input), 100)
}

/** The text of a stored message. */
export const saidIn = (content: unknown): string => {
  const blocks = typeof content === 'object' && content !== null && 'content' in content ? content.content : []
  if (!Array.isArray(blocks)) return ''
  return blocks.map((block: JsonObject) => (block._type === 'TextBlock' ? String(block.text) : '')).join('')
}

/** Who says it: the agent itself, or one of its sub-agents. */
const speaker = (said: unknown): string => {
  const parent =
    typeof said === 'object' && said !== null && 'parent_tool_use_id' in said ? said.parent_tool_use_id : null
  return typeof parent === 'string' ? parent : ''
}

export const createSessionPrinter = (write: (text: string) => void, indent = ''): SessionPrinter => {
  let open = false
  let status: unknown
  let speaking = ''
  /** What was shown live of the message that each speaker is at. */
  const shown = new Map<string, string>()
  const line = (text: string): void => {
    end()
    write(`${indent}${text}\n`)
  }
  const end = (): void => {
    if (open) write('\n')
    open = false
  }
  const say = (who: string, text: string): void => {
    if (text === '') return
    if (who !== speaking) end()
    speaking = who
    if (!open) write(indent)
    open = true
    write(harmless(text).replaceAll('\n', `\n${indent}`))
  }
  return {
    end,
    print: ({ type, data }) => {
      switch (type) {
        case 'message.chunk': {
          if (data.kind !== 'text') return
          shown.set(speaker(data), (shown.get(speaker(data)) ?? '') + String(data.text))
          say(speaker(data), String(data.text))
          return
        }
        case 'message.new': {
          if (data.role !== 'assistant') return
          const before = shown.get(speaker(data.content)) ?? ''
          shown.delete(speaker(data.content))
          const whole = saidIn(data.content)
          // Live pieces are dropped where the reader is slow or comes late; the message is the truth.
          if (whole.startsWith(before)) say(speaker(data.content), whole.slice(before.length))
          else if (whole !== '') line(harmless(whole).replaceAll('\n', `\n${indent}`))
          end()
          return
        }
        case 'tool.call':
          line(
            `${styleText('cyan', harmless(String(data.tool_name)))} ${summary((data.tool_input ?? {}) as JsonObject)}`,
          )
          return
        case 'tool.result':
          if (data.is_error === true) line(styleText('red', `failed: ${shorten(String(data.tool_output), 160)}`))
          return
        case 'run.attempt':
          line(styleText('yellow', `tried again: attempt ${data.attempt}`))
          return
        case 'session.status':
          // It is logged again at every station of a run; a person wants to know of changes.
          if (data.status === status) return
          status = data.status
          line(styleText('dim', `session ${data.status}`))
          return
        default:
      }
    },
  }
}
