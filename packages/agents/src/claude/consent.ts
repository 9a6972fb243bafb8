/**
 * Asking a person. The runtime asks here before every call of a tool. A call that needs consent is deferred: the runtime ends its
 * query, the turn is parked, and nothing of it stays alive. When the person has answered, a later query is asked for the same call again.
 *
 * Of the calls of one message the runtime takes up only the last that was deferred, and forgets the others without a word. So one is deferred,
 * and the others are refused with the advice to ask again. A sub-agent's call can't be deferred at all: it would end with the sub-agent.
 */
import type { CanUseTool, HookCallback } from '@anthropic-ai/claude-agent-sdk'
import type { JsonObject, RequestAnswer, Turn } from '@tutti/contracts'
import { type Loose, record } from '../loose.ts'
import { boundedObject } from './blocks.ts'
import { decide, isForbidden, type Policy, type RequestKind } from './permissions.ts'

export interface Deferred {
  kind: RequestKind
  tool_use_id: string
  tool_name: string
  input: JsonObject
}

export interface Consent {
  readonly beforeTool: HookCallback
  /** For what the runtime asks itself: although the hook has allowed it, or because it did not come to the hook. */
  readonly canUseTool: CanUseTool
  /** The call that waits for a person. */
  deferred(): Deferred | undefined
}

export interface ConsentOptions {
  turn: Pick<Turn, 'permission_mode' | 'rules' | 'tools' | 'attended'>
  /** Of calls that the runtime will take up. */
  answers: readonly RequestAnswer[]
  cwd: string
  plansFolder: string
}

/** What an approved plan is carried out under unless the person said otherwise: who wants the plan wants its edits. */
export const approvedMode = 'acceptEdits'

const oneByOne =
  'Not done: another request of yours waits for a person, who decides about one at a time. When that one is answered, call this tool again if you still need it.'
const notForSubAgents =
  'Not done: this needs the consent of a person, and a sub-agent can’t ask. Finish without it, and report exactly what is to be done, so that the main agent can do it.'

export const createConsent = ({ turn, answers, cwd, plansFolder }: ConsentOptions): Consent => {
  const waiting = new Map(answers.map((answer) => [answer.tool_use_id, answer]))
  const allowed = new Set<string>()
  let mode = turn.permission_mode
  let deferred: Deferred | undefined

  const policy = (): Policy => ({
    ...{ mode, rules: turn.rules, tools: turn.tools, attended: turn.attended === true },
    ...{ cwd, plansFolder },
  })
  const allow = (id: string, updatedInput?: Loose) => {
    allowed.add(id)
    return told({ permissionDecision: 'allow', ...(updatedInput === undefined ? {} : { updatedInput }) })
  }
  const deny = (message: string) => told({ permissionDecision: 'deny', permissionDecisionReason: message })

  const answered = (answer: RequestAnswer, tool: string, given: Loose) => {
    if (answer.decision === 'deny') return deny(answer.message ?? refusal(tool))
    const input = answer.input ?? given
    if (isForbidden(policy(), tool, input)) return deny(`${tool} is not allowed here.`)
    if (tool === 'ExitPlanMode') mode = answer.permission_mode ?? approvedMode
    return allow(answer.tool_use_id, answer.input)
  }

  return {
    beforeTool: async (call) => {
      if (call.hook_event_name !== 'PreToolUse') return {}
      const { tool_name: tool, tool_use_id: id } = call
      const input = record(call.tool_input)
      const answer = waiting.get(id)
      if (answer !== undefined) return answered(answer, tool, input)
      const decision = decide(policy(), tool, input)
      if (decision.kind === 'allow') return allow(id)
      if (decision.kind === 'deny') return deny(decision.message)
      if (call.agent_id !== undefined) return deny(notForSubAgents)
      if (deferred !== undefined && deferred.tool_use_id !== id) return deny(oneByOne)
      deferred = { kind: decision.request, tool_use_id: id, tool_name: tool, input: boundedObject(input) }
      return told({ permissionDecision: 'defer' })
    },
    canUseTool: async (tool, input, { toolUseID }) => {
      if (allowed.has(toolUseID)) return { behavior: 'allow', updatedInput: input }
      // A query that takes up a call by itself may do so before it knows of the hook: on a busy machine it was never asked.
      const answer = waiting.get(toolUseID)
      if (answer !== undefined) {
        const { hookSpecificOutput: said } = answered(answer, tool, input)
        if (said.permissionDecision === 'allow')
          return { behavior: 'allow', updatedInput: record(said.updatedInput ?? input) }
        return { behavior: 'deny', message: said.permissionDecisionReason ?? refusal(tool) }
      }
      const decision = decide(policy(), tool, input)
      if (decision.kind === 'allow') return { behavior: 'allow', updatedInput: input }
      return { behavior: 'deny', message: decision.kind === 'deny' ? decision.message : oneByOne }
    },
    deferred: () => deferred,
  }
}

type Told = NonNullable<
  Extract<Awaited<ReturnType<HookCallback>>, { hookSpecificOutput?: unknown }>['hookSpecificOutput']
>

const told = (decision: Omit<Extract<Told, { hookEventName: 'PreToolUse' }>, 'hookEventName'>) => ({
  hookSpecificOutput: { hookEventName: 'PreToolUse' as const, ...decision },
})

const refusal = (tool: string): string =>
  tool === 'ExitPlanMode'
    ? 'The plan was not approved. Keep planning, or ask what is missing.'
    : tool === 'AskUserQuestion'
      ? 'The question was not answered. Decide yourself and say what you assumed.'
      : `A person has refused this call of ${tool}. Don’t try the same by other means.`
