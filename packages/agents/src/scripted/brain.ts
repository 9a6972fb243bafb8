/** The scripted model's answer to a request. Pure: the same request always gets the same answer. */
import { createHash } from 'node:crypto'
import { readConversation } from './conversation.ts'
import type { MessagesRequest, OutputBlock } from './messages.ts'
import { report } from './scenarios/report.ts'
import { script } from './scenarios/script.ts'
import { isSideRequest, side } from './scenarios/side.ts'
import { summary } from './scenarios/summary.ts'
import { tour } from './scenarios/tour.ts'
import type { Scenario, Step } from './step.ts'
import { inputTokens, outputTokens } from './usage.ts'

export type Reply = {
  /** Which scenario answered; for logs and tests. */
  scenario: string
  delay_ms: number
} & (
  | {
      kind: 'message'
      id: string
      blocks: OutputBlock[]
      stop_reason: 'end_turn' | 'tool_use'
      usage: { input_tokens: number; output_tokens: number }
    }
  | { kind: 'error'; status: number; failure: string }
)

/** The first scenario that applies answers; the tour applies always. */
const scenarios: readonly Scenario[] = [script, report, summary, tour]

/** Ids that differ between any two requests, also between a main agent and its sub-agents, and never change. */
const fingerprint = (request: MessagesRequest): string =>
  createHash('sha256').update(request.user).update('\0').update(JSON.stringify(request.messages)).digest('hex')

const blocksOf = (step: Step, id: string): OutputBlock[] => [
  ...(step.think ?? []).map((thinking) => ({ type: 'thinking' as const, thinking })),
  ...(step.say ?? []).map((text) => ({ type: 'text' as const, text })),
  ...(step.calls ?? []).map(({ tool, input }, index) => ({
    type: 'tool_use' as const,
    id: `toolu_scripted_${id.slice(0, 20)}_${index}`,
    name: tool,
    input,
  })),
]

const choose = (request: MessagesRequest): { scenario: string; step: Step } => {
  const conversation = readConversation(request)
  if (isSideRequest(request, conversation)) return { scenario: 'side', step: side(request, conversation) }
  const scenario = scenarios.find((candidate) => candidate.applies(conversation)) ?? tour
  return { scenario: scenario.name, step: scenario.next(conversation) }
}

/**
 * Answers a request. A failure that the conversation asks for happens once: `failedBefore` says which ones have
 * happened already, since an API error leaves no trace in a conversation.
 */
export const reply = (request: MessagesRequest, failedBefore: (failure: string) => boolean = () => false): Reply => {
  const { scenario, step } = choose(request)
  const id = fingerprint(request)
  const delay_ms = step.delay_ms ?? 0
  for (const { index, status } of step.failures ?? []) {
    const failure = `${id}:${index}`
    if (!failedBefore(failure)) return { kind: 'error', scenario, delay_ms, status, failure }
  }
  const blocks = blocksOf(step, id)
  return {
    kind: 'message',
    scenario,
    delay_ms,
    id: `msg_scripted_${id.slice(0, 24)}`,
    blocks: blocks.length > 0 ? blocks : [{ type: 'text', text: 'There is nothing left to do.' }],
    stop_reason: (step.calls?.length ?? 0) > 0 ? 'tool_use' : 'end_turn',
    usage: { input_tokens: inputTokens(request), output_tokens: outputTokens(blocks) },
  }
}
