/**
 * What an agent may do, what needs a person's consent, and what it may not. Pure. The sandbox is the wall; this keeps a turn to
 * what was asked for. A rule that denies beats one that asks, and that one beats a rule that allows; without a rule the mode decides.
 */
import { relative, resolve } from 'node:path/posix'
import type { PermissionMode, PermissionRules, Turn } from '@tutti/contracts'
import { type Loose, text } from '../loose.ts'
import { isMemoryTool } from '../memory/tools.ts'
import { matchesRule, type Subject } from './rules.ts'

export type RequestKind = 'question' | 'plan' | 'permission'

export type Decision =
  | { kind: 'allow' }
  | { kind: 'ask'; request: RequestKind }
  /** The message is for the agent. */
  | { kind: 'deny'; message: string }

export interface Policy {
  mode: PermissionMode
  rules: PermissionRules | undefined
  /** The built-in tools of this turn; undefined: the default set. */
  tools: readonly string[] | undefined
  /** Whether there is somebody to ask. */
  attended: boolean
  cwd: string
  /** Where the runtime has the agent write its plan. */
  plansFolder: string
}

/** Changes neither files nor anything outside. */
const readOnly = new Set([
  ...['Read', 'Glob', 'Grep', 'LSP', 'TodoWrite', 'ToolSearch', 'Skill', 'Agent', 'Task'],
  // How the runtime has the agent give an answer of a given shape.
  'StructuredOutput',
])

const edits = new Set(['Edit', 'Write', 'NotebookEdit'])

/** The set that makes sense in a sandbox without a network and without a person: no questions, no schedules, no web. */
export const defaultTools = [
  'Bash',
  'Read',
  'Edit',
  'Write',
  'Glob',
  'Grep',
  'NotebookEdit',
  'TodoWrite',
  'Agent',
  'Skill',
] as const

/** The built-in tools that the runtime offers in a turn: where somebody is there, also those that speak to a person. */
export const offeredTools = ({ tools, attended, permission_mode }: Turn): string[] => [
  ...new Set([
    ...(tools ?? defaultTools),
    ...(attended === true ? ['AskUserQuestion'] : []),
    ...(attended === true && permission_mode === 'plan' ? ['ExitPlanMode'] : []),
  ]),
]

const allow: Decision = { kind: 'allow' }
const deny = (message: string): Decision => ({ kind: 'deny', message })

/** Judges one call of a tool. */
export const decide = (policy: Policy, tool: string, input: Loose): Decision => {
  const { mode, attended, rules } = policy
  const subjects = subjectsOf(policy, tool, input)
  const hit = (list: keyof PermissionRules): boolean =>
    rules?.[list].some((rule) => matchesRule(rule, tool, subjects, list)) === true
  const ask = (request: RequestKind): Decision =>
    attended ? { kind: 'ask', request } : deny(`${tool} needs somebody's consent, and nobody is here to give it.`)

  if (hit('deny')) return deny(`${tool} is not allowed here.`)
  if (tool === 'AskUserQuestion')
    return attended ? ask('question') : deny('Nobody is here to answer. Decide yourself and say what you assumed.')
  if (tool === 'ExitPlanMode') {
    if (mode !== 'plan') return deny('There is no plan to approve: go on with the work.')
    return attended ? ask('plan') : deny('Nobody is here to approve the plan. Give the plan as your final answer.')
  }
  if (isMemoryTool(tool, mode === 'plan' ? 'read' : 'any'))
    return hit('ask') && mode !== 'bypassPermissions' ? ask('permission') : allow
  if (mode === 'plan' && !readOnly.has(tool))
    return isPlanFile(policy, tool, input) ? allow : deny(`${tool} is not allowed in plan mode: only reading is.`)
  // Tools of a server were switched on with the server; the list is of the runtime's own.
  if (policy.tools?.includes(tool) === false && !tool.startsWith('mcp__') && tool !== 'StructuredOutput')
    return deny(`${tool} is not among this turn's tools.`)
  if (mode === 'bypassPermissions') return allow
  if (hit('ask')) return ask('permission')
  if (hit('allow') || readOnly.has(tool)) return allow
  if (mode === 'acceptEdits' && edits.has(tool)) return allow
  return attended ? ask('permission') : allow
}

/** Whether a rule forbids it, whoever allows it otherwise. */
export const isForbidden = (policy: Policy, tool: string, input: Loose): boolean =>
  policy.rules?.deny.some((rule) => matchesRule(rule, tool, subjectsOf(policy, tool, input), 'deny')) === true

/** What the call works on, in every form in which a rule may name it. */
const subjectsOf = ({ cwd }: Policy, tool: string, input: Loose): Subject => {
  if (tool === 'Bash') return { kind: 'command', text: text(input.command) }
  const path = text(input.file_path) || text(input.notebook_path) || text(input.path)
  if (path !== '') {
    // Without `..` and as seen from where the agent works: `Edit(src/**)` must not reach what `src/../../etc` names.
    const whole = resolve(cwd, path)
    return { kind: 'texts', texts: [whole, relative(cwd, whole)] }
  }
  return { kind: 'texts', texts: [text(input.url), text(input.pattern), text(input.query)].filter((one) => one !== '') }
}

const isPlanFile = ({ cwd, plansFolder }: Policy, tool: string, input: Loose): boolean => {
  if (tool !== 'Write' && tool !== 'Edit') return false
  const inside = relative(plansFolder, resolve(cwd, text(input.file_path)))
  return inside !== '' && !inside.startsWith('..') && inside.endsWith('.md')
}
