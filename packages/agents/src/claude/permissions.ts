/**
 * What an agent may do without anybody there to ask. The sandbox is the wall; these rules only keep a turn to what was
 * asked for: plan mode changes nothing, and a list of tools is a list.
 */
import type { PermissionResult } from '@anthropic-ai/claude-agent-sdk'
import type { Turn } from '@tutti/contracts'

/** Changes neither files nor anything outside. */
const readOnly = new Set(['Read', 'Glob', 'Grep', 'LSP', 'TodoWrite', 'ToolSearch', 'Skill', 'Agent', 'Task'])

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

const deny = (message: string): PermissionResult => ({ behavior: 'deny', message })

/** Answers a permission request of the runtime. */
export const decide = (turn: Turn, tool: string, input: Record<string, unknown>): PermissionResult => {
  if (tool === 'AskUserQuestion') return deny('Nobody is here to answer. Decide yourself and say what you assumed.')
  if (turn.permission_mode === 'plan') {
    if (tool === 'ExitPlanMode') return deny('Nobody is here to approve the plan. Give the plan as your final answer.')
    if (!readOnly.has(tool)) return deny(`${tool} is not allowed in plan mode: only reading is.`)
  }
  if (turn.tools !== undefined && !turn.tools.includes(tool)) return deny(`${tool} is not among this turn's tools.`)
  return { behavior: 'allow', updatedInput: input }
}
