/**
 * What an agent of the Agent Client Protocol is told when it asks. The protocol has no way to put a question aside and ask it
 * again in another sandbox, so nobody is asked: what would need a person's consent is refused.
 */
import type { RequestPermissionRequest, RequestPermissionResponse } from '@agentclientprotocol/sdk'
import type { Turn } from '@tutti/contracts'

/** Kinds of tool calls that change nothing. */
const readOnly = new Set(['read', 'search', 'think'])

export const answerPermission = (
  turn: Turn,
  { toolCall, options }: RequestPermissionRequest,
): RequestPermissionResponse => {
  const wanted = isAllowed(turn, toolCall) ? 'allow' : 'reject'
  // Once: what is allowed now is not for ever.
  const option =
    options.find(({ kind }) => kind === `${wanted}_once`) ?? options.find(({ kind }) => kind.startsWith(wanted))
  if (option === undefined) return { outcome: { outcome: 'cancelled' } }
  return { outcome: { outcome: 'selected', optionId: option.optionId } }
}

const isAllowed = (turn: Turn, { kind, name, title }: RequestPermissionRequest['toolCall']): boolean => {
  if (turn.permission_mode === 'plan') return readOnly.has(kind ?? 'other')
  const names = [name, title, kind]
  const named = (rule: string): boolean => rule === '*' || names.includes(rule.split('(')[0] ?? rule)
  return ![...(turn.rules?.deny ?? []), ...(turn.rules?.ask ?? [])].some(named)
}
