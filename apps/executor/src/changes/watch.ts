/** When the changes are looked at: after what may have changed a file, one look at a time, and not more often than every second. */
import { setTimeout } from 'node:timers/promises'
import type { AgentEvent } from '@tutti/contracts'
import type { FileChanges } from './compare.ts'

export interface Watch {
  /** To be told every event of the turn, after it was put. */
  notice(event: AgentEvent): void
  /** Looks a last time and waits for it, but not longer than a few seconds: the turn's end waits for this. */
  finish(): Promise<void>
}

export interface WatchOptions {
  compare(): Promise<FileChanges | undefined>
  put(event: FileChanges): Promise<void>
  everyMs?: number
}

/** These only read. Any other tool, a server's too, may write. */
const readers = new Set([
  'Read',
  'Glob',
  'Grep',
  'LS',
  'LSP',
  'TodoWrite',
  'ToolSearch',
  'WebFetch',
  'WebSearch',
  'AskUserQuestion',
])

const longestFinishMs = 10_000

export const createWatch = ({ compare, put, everyMs = 1_000 }: WatchOptions): Watch => {
  const calls = new Map<string, string>()
  let looks: Promise<void> = Promise.resolve()
  let awake = false
  let due = false
  let touched = false

  const look = (): Promise<void> => {
    due = false
    looks = looks.then(async () => {
      try {
        const changes = await compare()
        if (changes !== undefined) await put(changes)
      } catch {
        // What can't be seen is not shown; the turn is not to fail for it.
      }
    })
    return looks
  }

  const lookWhileDue = async (): Promise<void> => {
    awake = true
    while (due) {
      await look()
      await setTimeout(everyMs, undefined, { ref: false })
    }
    awake = false
  }

  return {
    notice: (event) => {
      if (event.type === 'tool_call') calls.set(event.tool_use_id, event.name)
      if (event.type !== 'tool_result') return
      const name = calls.get(event.tool_use_id)
      calls.delete(event.tool_use_id)
      if (name !== undefined && readers.has(name)) return
      touched = true
      due = true
      if (!awake) void lookWhileDue()
    },
    finish: async () => {
      if (touched) await Promise.race([look(), setTimeout(longestFinishMs, undefined, { ref: false })])
    },
  }
}
