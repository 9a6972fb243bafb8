/** Whose use a run's calls are added to. */
import type { SpendingScope } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

/** The row of `spent` that a use is added to. `period` is empty for all time, else a month: `2026-11`. */
export interface SpentKey {
  scope: SpendingScope
  scopeId: string
  period: string
}

/** Who spends. What a run is not known for is null: a run that is still to be made, a session without a project. */
export interface Spender {
  runId: string | null
  sessionId: string | null
  userId: string
  projectId: string | null
}

/** The id under which everybody's use is added up. */
export const everybody = 'all'

export const scopesOf = ({
  runId,
  sessionId,
  userId,
  projectId,
}: Spender): { scope: SpendingScope; scopeId: string }[] => [
  ...(runId === null ? [] : [{ scope: 'run' as const, scopeId: runId }]),
  ...(sessionId === null ? [] : [{ scope: 'session' as const, scopeId: sessionId }]),
  { scope: 'user', scopeId: userId },
  ...(projectId === null ? [] : [{ scope: 'project' as const, scopeId: projectId }]),
  { scope: 'all', scopeId: everybody },
]

/** Every sum that a use in this month counts to. */
export const keysOf = (spender: Spender, month: string): SpentKey[] =>
  scopesOf(spender).flatMap((scope) => [
    { ...scope, period: '' },
    { ...scope, period: month },
  ])

export const keyText = ({ scope, scopeId, period }: SpentKey): string => JSON.stringify([scope, scopeId, period])

/** The session's project; null where there is none. */
export const projectOf = async (database: Queryable, sessionId: string): Promise<string | null> => {
  const [row] = await database.query<{ project_id: string | null }>(
    'select project_id::text from workbench.sessions where id = $1',
    [sessionId],
  )
  return row?.project_id ?? null
}

/** By the database's clock: processes in two months at once would each spend a month's budget. */
export const monthNow = async (database: Queryable, timeZone: string): Promise<string> => {
  const [row] = await database.query<{ month: string }>(`select to_char(now() at time zone $1, 'YYYY-MM') as month`, [
    timeZone,
  ])
  if (!row) throw new Error('PostgreSQL did not tell the month')
  return row.month
}
