/** A session's frames as lines of text: what the agent says as it says it, and each tool call with how it came out. */
import { styleText } from 'node:util'
import type { JsonObject, SessionFrame } from '@tutti/contracts'

export interface SessionPrinter {
  print(frame: SessionFrame): void
  /** Ends a line that is still open. */
  end(): void
}

/** What an agent says may hold commands for the terminal: they are not for it to give. */
const harmless = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, '')

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

export const createSessionPrinter = (write: (text: string) => void, indent = ''): SessionPrinter => {
  let open = false
  let status: unknown
  const line = (text: string): void => {
    end()
    write(`${indent}${text}\n`)
  }
  const end = (): void => {
    if (open) write('\n')
    open = false
  }
  return {
    end,
    print: ({ type, data }) => {
      switch (type) {
        case 'message.chunk': {
          if (data.kind !== 'text') return
          if (!open) write(indent)
          open = true
          write(harmless(String(data.text)).replaceAll('\n', `\n${indent}`))
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
