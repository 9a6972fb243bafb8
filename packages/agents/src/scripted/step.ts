/** What a scenario decides: the next thing that the scripted model does in a conversation. */
import type { Conversation } from './conversation.ts'

export interface ToolCall {
  tool: string
  input: Record<string, unknown>
}

export interface Step {
  /** Shown as thinking, before anything else. */
  think?: string[]
  say?: string[]
  /** When there are calls, the turn goes on after their results; without, it ends here. */
  calls?: ToolCall[]
  /** Refuse this request with an API error of that status instead, once. The number says which failure it is. */
  failures?: { index: number; status: number }[]
  /** Wait this long before the answer begins. */
  delay_ms?: number
}

/** A scenario is a pure function: the same conversation always gets the same next step. */
export interface Scenario {
  name: string
  applies(conversation: Conversation): boolean
  next(conversation: Conversation): Step
}
