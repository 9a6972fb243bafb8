/** Checks a turn as it came from the relay, by hand for the same reason as the environment: see there. */
import type { Turn } from '@tutti/contracts'

export type Checked =
  | { kind: 'turn'; turn: Turn }
  /** Something is wrong with it, but whose turn it is can be told: the run ends with an error event. */
  | { kind: 'invalid'; run_id: string; attempt: number; fault: string }
  | { kind: 'unknown'; fault: string }

const modes = new Set(['default', 'acceptEdits', 'plan', 'bypassPermissions'])

const runtimes = new Set(['claude', 'acp'])

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
/** Below the workspace, and never out of it. */
const isInside = (value: unknown): boolean =>
  isText(value) && !value.startsWith('/') && !value.split('/').includes('..') && !value.includes('\0')
const listOf =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(check)
const recordOf =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    isRecord(value) && Object.values(value).every(check)
const optional = (value: unknown, check: (value: unknown) => boolean): boolean => value === undefined || check(value)

const faultIn = (turn: Record<string, unknown>): string | undefined => {
  if (!isText(turn.session_id)) return 'session_id is missing'
  if (!isText(turn.prompt)) return 'prompt is missing'
  if (!isText(turn.model)) return 'model is missing'
  if (!runtimes.has(String(turn.runtime))) return `the runtime ${JSON.stringify(turn.runtime)} is not known`
  if (!modes.has(String(turn.permission_mode))) return 'permission_mode is not known'
  if (!optional(turn.resume, isText)) return 'resume is not a session'
  if (!optional(turn.instructions, (value) => typeof value === 'string')) return 'instructions is not text'
  if (!optional(turn.max_turns, isCount)) return 'max_turns is not a positive whole number'
  if (!optional(turn.tools, listOf(isText))) return 'tools is not a list of names'
  if (!optional(turn.cwd, isInside)) return 'cwd is not a folder of the workspace'
  if (!optional(turn.plugins, listOf(isInside))) return 'plugins are not folders of the workspace'
  if (
    !optional(
      turn.mcp_servers,
      recordOf((server) => isRecord(server) && (isText(server.command) || isText(server.url))),
    )
  )
    return 'mcp_servers names a server without a command or an address'
  if (
    !optional(
      turn.agents,
      recordOf((agent) => isRecord(agent) && typeof agent.prompt === 'string'),
    )
  )
    return 'agents names one without a prompt'
  if (!optional(turn.output_schema, isRecord)) return 'output_schema is not a JSON Schema'
  if (turn.runtime === 'acp' && !listOf(isText)(turn.command)) return 'command is not a program with its arguments'
  return undefined
}

export const checkTurn = (value: unknown): Checked => {
  if (typeof value !== 'object' || value === null) return { kind: 'unknown', fault: 'the turn is not an object' }
  const turn: Record<string, unknown> = { ...value }
  const { run_id, attempt } = turn
  if (!isText(run_id) || !isCount(attempt)) return { kind: 'unknown', fault: 'the turn does not say whose it is' }
  const fault = faultIn(turn)
  return fault === undefined ? { kind: 'turn', turn: value as Turn } : { kind: 'invalid', run_id, attempt, fault }
}
