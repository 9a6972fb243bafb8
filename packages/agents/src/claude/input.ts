/**
 * What is said to the runtime in one turn: the prompt, then whatever comes while it works. The stream stays open until the
 * turn is to end: with a closed input the runtime can be neither interrupted nor asked for permissions.
 */
import { createHash, randomUUID, type UUID } from 'node:crypto'
import type { SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'

export interface TurnInput {
  readonly messages: AsyncIterable<SDKUserMessage>
  /** Says something more. `id` is the caller's name for it. */
  say(id: string, text: string): void
  /** The same, of the turn's own: nobody is told that it was read. */
  remind(text: string): void
  /** The runtime has repeated a message: it has been read. Its id, or undefined where it is none of ours. */
  taken(uuid: string): string | undefined
  /** Whether something was said that has not been taken: the runtime will go on with it after its result. */
  pending(): boolean
  end(): void
}

const userMessage = (text: string, uuid: UUID): SDKUserMessage => ({
  type: 'user',
  message: { role: 'user', content: text },
  parent_tool_use_id: null,
  uuid,
})

/**
 * A number for a message with which an attempt of this run begins. The runtime writes it down with the message, so that its record tells
 * whether it knows of the run. New each time: what it has read under a number it would not read again.
 */
const beginningId = (runId: string): UUID => {
  const random = randomUUID()
  return `${beginningsOf(runId)}${random.slice(random.indexOf('-', 9))}` as UUID
}

/** What the numbers of all beginnings of this run begin with. */
export const beginningsOf = (runId: string): string => {
  const hash = createHash('sha256').update(runId).digest('hex')
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}`
}

/**
 * @param prompt null: the runtime goes on by itself
 * @param ready nothing is said before; the runtime itself starts meanwhile
 */
export const createInput = (runId: string, prompt: string | null, ready?: Promise<void>): TurnInput => {
  const waiting: SDKUserMessage[] = prompt === null ? [] : [userMessage(prompt, beginningId(runId))]
  const said = new Map<string, string>()
  let changed = Promise.withResolvers<void>()
  let ended = false

  const announce = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }

  const messages = async function* (): AsyncGenerator<SDKUserMessage> {
    await ready
    for (;;) {
      const next = waiting.shift()
      if (next !== undefined) yield next
      else if (ended) return
      else await changed.promise
    }
  }

  const push = (text: string): UUID => {
    const uuid = randomUUID()
    waiting.push(userMessage(text, uuid))
    announce()
    return uuid
  }

  return {
    messages: messages(),
    say: (id, text) => {
      if (!ended) said.set(push(text), id)
    },
    remind: (text) => {
      if (!ended) push(text)
    },
    taken: (uuid) => {
      const id = said.get(uuid)
      said.delete(uuid)
      return id
    },
    pending: () => said.size > 0,
    end: () => {
      ended = true
      announce()
    },
  }
}
