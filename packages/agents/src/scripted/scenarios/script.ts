/**
 * The scenario of tests and tryouts: the prompt itself says what the model does, as a fenced block
 *
 *     ```scripted
 *     [{ "say": "Looking." }, { "tool": "Bash", "input": { "command": "ls" } }, { "say_last_result": true }]
 *     ```
 */
import { isRecord, record } from '../../loose.ts'
import type { Conversation } from '../conversation.ts'
import type { Scenario, Step, ToolCall } from '../step.ts'

type ScriptStep =
  | { kind: 'say'; text: string }
  | { kind: 'think'; text: string }
  | { kind: 'say_last_result' }
  | { kind: 'calls'; calls: ToolCall[] }
  | { kind: 'fail'; status: number }
  | { kind: 'delay'; ms: number }

/** A longer delay would look like a hang and hold a connection; what needs longer runs a tool that waits. */
const longestDelay = 5_000

/** It ends at a line of its own: a step may itself hold a prompt with such a block, for a sub-agent. */
const fence = /^```scripted[ \t]*\n([\s\S]*?)^```/m

const toolCall = (value: unknown): ToolCall | undefined => {
  if (!isRecord(value) || typeof value.tool !== 'string') return undefined
  return { tool: value.tool, input: record(value.input) }
}

const scriptStep = (value: unknown): ScriptStep | undefined => {
  if (!isRecord(value)) return undefined
  if (typeof value.say === 'string') return { kind: 'say', text: value.say }
  if (typeof value.think === 'string') return { kind: 'think', text: value.think }
  if (value.say_last_result === true) return { kind: 'say_last_result' }
  if (typeof value.fail === 'number') return { kind: 'fail', status: value.fail }
  if (typeof value.delay_ms === 'number') {
    return { kind: 'delay', ms: Math.min(Math.max(value.delay_ms, 0), longestDelay) }
  }
  const calls = Array.isArray(value.tools) ? value.tools.map(toolCall) : [toolCall(value)]
  const known = calls.filter((call) => call !== undefined)
  return known.length > 0 && known.length === calls.length ? { kind: 'calls', calls: known } : undefined
}

/** The steps in a prompt, or what is wrong with them. */
export const parseScript = (prompt: string): ScriptStep[] | string => {
  const source = fence.exec(prompt)?.[1] ?? ''
  let parsed: unknown
  try {
    parsed = JSON.parse(source)
  } catch (error) {
    return `The scripted block is not JSON: ${error instanceof Error ? error.message : String(error)}`
  }
  if (!Array.isArray(parsed)) return 'The scripted block must be a JSON array of steps.'
  const steps: ScriptStep[] = []
  for (const [index, value] of parsed.entries()) {
    const step = scriptStep(value)
    if (step === undefined) return `Step ${index + 1} of the scripted block is not a known step.`
    steps.push(step)
  }
  return steps
}

/** The steps that are still to do: those after the tool calls that the conversation already shows. */
const remaining = (steps: ScriptStep[], callsDone: number): { steps: ScriptStep[]; offset: number } => {
  let left = callsDone
  let offset = 0
  while (left > 0 && offset < steps.length) {
    const step = steps[offset]
    if (step?.kind === 'calls') left -= step.calls.length
    offset += 1
  }
  return { steps: steps.slice(offset), offset }
}

const next = (conversation: Conversation): Step => {
  const script = parseScript(conversation.prompt)
  if (typeof script === 'string') return { say: [script] }
  const think: string[] = []
  const say: string[] = []
  const failures: { index: number; status: number }[] = []
  let delay = 0
  const todo = remaining(script, conversation.exchanges.length)
  for (const [index, step] of todo.steps.entries()) {
    if (step.kind === 'say') say.push(step.text)
    if (step.kind === 'think') think.push(step.text)
    if (step.kind === 'delay') delay += step.ms
    if (step.kind === 'fail') failures.push({ index: todo.offset + index, status: step.status })
    if (step.kind === 'say_last_result') {
      say.push(conversation.exchanges.at(-1)?.result?.text ?? 'No tool has answered yet.')
    }
    if (step.kind === 'calls')
      return { think, say, calls: step.calls, failures, delay_ms: Math.min(delay, longestDelay) }
  }
  return {
    think,
    say: say.length > 0 ? say : ['The script is done.'],
    failures,
    delay_ms: Math.min(delay, longestDelay),
  }
}

export const script: Scenario = {
  name: 'script',
  applies: ({ prompt }) => fence.test(prompt),
  next,
}
