/** Whose use a model call is added to. */
import type { SpendingScope } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

/** `lineage` is a session with all that was branched from it: what a session's budget counts. `session` is its own use. */
export type SumScope = SpendingScope | 'lineage'

/** The row of `spent` that a use is added to. `period` is empty for all time, else a month (`2026-11`) or a quarter of an hour. */
export interface SpentKey {
  scope: SumScope
  scopeId: string
  period: string
}

/** Who spends. What is not known is null: a run or session that is still to be made, a session without a project. */
export interface Spender {
  runId: string | null
  sessionId: string | null
  /** The sessions that this one was branched from. */
  ancestors: readonly string[]
  userId: string
  projectId: string | null
}

/** When something is used. */
export interface Period {
  month: string
  /** In UTC: `2026-11-22T07:30`. Every time zone's days and hours begin at one. */
  quarter: string
}

/** The id under which everybody's use is added up. */
export const everybody = 'all'

interface Scope<S extends SumScope> {
  scope: S
  scopeId: string
}

const lineageOf = ({ sessionId, ancestors }: Spender): string[] =>
  sessionId === null ? [] : [sessionId, ...ancestors.filter((id) => id !== sessionId)]

const wider = ({ userId, projectId }: Spender): Scope<'user' | 'project' | 'all'>[] => [
  { scope: 'user', scopeId: userId },
  ...(projectId === null ? [] : [{ scope: 'project' as const, scopeId: projectId }]),
  { scope: 'all', scopeId: everybody },
]

/** Whose limits hold: those of the sessions that it was branched from too, or a fork would be a way around them. */
export const limitScopesOf = (spender: Spender): Scope<SpendingScope>[] => [
  ...(spender.runId === null ? [] : [{ scope: 'run' as const, scopeId: spender.runId }]),
  ...lineageOf(spender).map((scopeId) => ({ scope: 'session' as const, scopeId })),
  ...wider(spender),
]

/** Every sum that a use at this time counts to. */
export const keysOf = (spender: Spender, { month, quarter }: Period): SpentKey[] => {
  const { runId, sessionId, userId } = spender
  const both = [...lineageOf(spender).map((scopeId) => ({ scope: 'lineage' as const, scopeId })), ...wider(spender)]
  return [
    ...(runId === null ? [] : [{ scope: 'run' as const, scopeId: runId, period: '' }]),
    ...(runId === null ? [] : [{ scope: 'run' as const, scopeId: runId, period: month }]),
    ...(sessionId === null ? [] : [{ scope: 'session' as const, scopeId: sessionId, period: '' }]),
    ...both.flatMap((scope) => [
      { ...scope, period: '' },
      { ...scope, period: month },
    ]),
    { scope: 'user', scopeId: userId, period: quarter },
  ]
}

export const keyText = ({ scope, scopeId, period }: SpentKey): string => JSON.stringify([scope, scopeId, period])

/** A spender with what is known of its session. */
export const spenderOf = async (
  database: Queryable,
  { runId, sessionId, userId }: Pick<Spender, 'runId' | 'sessionId' | 'userId'>,
): Promise<Spender> => {
  const [session] =
    sessionId === null
      ? []
      : await database.query<{ project_id: string | null; ancestors: string[] }>(
          'select project_id::text, ancestors from workbench.sessions where id = $1',
          [sessionId],
        )
  return { runId, sessionId, userId, projectId: session?.project_id ?? null, ancestors: session?.ancestors ?? [] }
}

/** The quarter of an hour of an instant, as SQL. */
export const quarterOf = (instant: string): string =>
  `to_char(date_bin('15 minutes', ${instant}, 'epoch') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI')`

/** By the database's clock: processes in two months at once would each spend a month's budget. */
export const periodNow = async (database: Queryable, timeZone: string): Promise<Period> => {
  const [row] = await database.query<Period>(
    `select to_char(now() at time zone $1, 'YYYY-MM') as month, ${quarterOf('now()')} as quarter`,
    [timeZone],
  )
  if (!row) throw new Error('PostgreSQL did not tell the time')
  return row
}
