/** The ledger: one row per model call. Writing it gives what its sums change by. */
import type { AccountRun, EndedCall, TokenUsage } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { keysOf, type Period, quarterOf, type Spender, type SpentKey } from './scopes.ts'
import { addToSums, noUse, type Use } from './spent.ts'

type Uses = (readonly [SpentKey, Use])[]

/** What numbers calls: a hand-out of a run, by its lease's token. A call of the workbench's own has a token to itself. */
export interface HandOut {
  leaseToken: string
}

interface CallRow extends TokenUsage, Period {
  run_id: string | null
  n: number
  session_id: string | null
  ancestors: string[]
  user_id: string
  project_id: string | null
  state: 'open' | 'ended' | 'lost'
  most_input_tokens: number
  most_output_tokens: number
  most_cost_usd: number | null
  cost_usd: number | null
}

const columns = `c.run_id, c.n, c.session_id, c.ancestors, c.user_id, c.project_id, c.month, ${quarterOf('c.started_at')} as quarter, c.state,
  c.most_input_tokens, c.most_output_tokens, c.most_cost_usd::float8 as most_cost_usd, c.input_tokens, c.output_tokens,
  c.cache_creation_input_tokens, c.cache_read_input_tokens, c.cost_usd::float8 as cost_usd`

/** Open calls count as such while this holds; afterwards nobody will tell how they ended. */
const held = `case when c.run_id is null then c.started_at > now() - interval '1 minute' else exists (
  select from workbench.runs r where r.id = c.run_id and r.lease_token = c.lease_token
    and r.status in ('claimed', 'running', 'canceling')) end`

/** The sums that the news of a hand-out, and calls of this user that were lost, can change: to be locked first. */
export const touchedKeys = async (
  tx: Queryable,
  userId: string,
  at: HandOut,
  ended: readonly EndedCall[],
): Promise<SpentKey[]> => {
  const rows = await tx.query<CallRow>(
    `select ${columns} from workbench.model_calls c
     where (c.lease_token = $1 and c.n = any($2::int[])) or (c.state = 'open' and c.user_id = $3 and not ${held})`,
    [at.leaseToken, ended.map(({ n }) => n), userId],
  )
  return rows.flatMap(keysOfCall)
}

/** Under the lock of the sums. Calls that ended before, or that never began, change nothing. */
export const endCalls = async (tx: Queryable, at: HandOut, ended: readonly EndedCall[]): Promise<Uses> => {
  if (ended.length === 0) return []
  const told = new Map(ended.map((call) => [call.n, call]))
  const rows = await tx.query<CallRow>(
    `select ${columns} from workbench.model_calls c
     where c.lease_token = $1 and c.n = any($2::int[]) and c.state <> 'ended'`,
    [at.leaseToken, [...told.keys()]],
  )
  const calls = rows.flatMap((row) => {
    const call = told.get(row.n)
    return call === undefined ? [] : [{ row, call }]
  })
  await tx.query(
    `update workbench.model_calls c
     set state = 'ended', input_tokens = t.input_tokens, output_tokens = t.output_tokens,
         cache_creation_input_tokens = t.cache_creation_input_tokens, cache_read_input_tokens = t.cache_read_input_tokens,
         cost_usd = t.cost_usd, status = t.status, complete = t.complete, ended_at = now()
     from jsonb_to_recordset($2::jsonb) as t (n int, input_tokens bigint, output_tokens bigint,
       cache_creation_input_tokens bigint, cache_read_input_tokens bigint, cost_usd numeric, status int, complete boolean)
     where c.lease_token = $1 and c.n = t.n`,
    [at.leaseToken, JSON.stringify(calls.map(({ call }) => call))],
  )
  return calls.flatMap(({ row, call }) =>
    usesOf(row, { ...noUse, ...difference(row, call), calls: row.state === 'open' ? 1 : 0 }),
  )
}

/**
 * Calls of this user whose holder has gone. How much came back nobody knows, but what was sent was sent: it counts, until the
 * holder should tell after all.
 */
export const loseCalls = async (tx: Queryable, userId: string): Promise<Uses> => {
  const rows = await tx.query<CallRow>(
    `update workbench.model_calls c
     set state = 'lost', ended_at = now(), complete = false, input_tokens = c.most_input_tokens,
         cost_usd = c.most_cost_usd * c.most_input_tokens / greatest(c.most_input_tokens + 5 * c.most_output_tokens, 1)
     where c.state = 'open' and c.user_id = $1 and not ${held}
     returning ${columns}`,
    [userId],
  )
  return rows.flatMap((row) => usesOf(row, { ...noUse, ...tokensIn(row), cost_usd: row.cost_usd ?? 0, calls: 1 }))
}

/** @returns what the time at work grew by */
export const noteWorkTime = async (tx: Queryable, at: HandOut & { runId: string }, wallMs: number): Promise<number> => {
  const [before] = await tx.query<{ wall_ms: number }>(
    'select wall_ms from workbench.work_times where run_id = $1 and lease_token = $2',
    [at.runId, at.leaseToken],
  )
  await tx.query(
    `insert into workbench.work_times (run_id, lease_token, wall_ms) values ($1, $2, $3)
     on conflict (run_id, lease_token) do update set wall_ms = greatest(work_times.wall_ms, excluded.wall_ms)`,
    [at.runId, at.leaseToken, wallMs],
  )
  return Math.max(0, wallMs - (before?.wall_ms ?? 0))
}

export interface NewCall extends HandOut, NonNullable<AccountRun['begin']> {
  purpose: 'turn' | 'title' | 'memory'
  attempt: number
}

/** Under the lock of the sums. Repeating it changes nothing. */
export const openCall = async (tx: Queryable, call: NewCall, spender: Spender, now: Period): Promise<void> => {
  const { leaseToken, n, purpose, attempt, model, provider, most } = call
  const { runId, sessionId, ancestors, userId, projectId } = spender
  const [written] = await tx.query<{ first: boolean }>(
    `insert into workbench.model_calls
       (run_id, lease_token, n, session_id, ancestors, user_id, project_id, month, model, provider,
        most_input_tokens, most_output_tokens, most_cost_usd, purpose, attempt)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict do nothing
     -- It sees the table as it was before.
     returning run_id is not null and not exists (select from workbench.model_calls c where c.run_id = $1) as first`,
    [
      ...[runId, leaseToken, n, sessionId, ancestors, userId, projectId, now.month, model, provider],
      ...[most.input_tokens, most.output_tokens, most.cost_usd, purpose, attempt],
    ],
  )
  if (written?.first)
    await addToSums(
      tx,
      keysOf(spender, now).map((key) => [key, { ...noUse, runs: 1 }] as const),
    )
}

export interface OpenCall {
  keys: SpentKey[]
  tokens: number
  cost_usd: number
}

/** Calls under way that count to a sum of this spender, but for the one named. */
export const openCalls = async (
  tx: Queryable,
  { userId, projectId }: Spender,
  options: { everybody: boolean; but?: HandOut & { n: number } },
): Promise<OpenCall[]> => {
  const { everybody, but } = options
  const rows = await tx.query<CallRow>(
    `select ${columns} from workbench.model_calls c
     where c.state = 'open' and ($1 or c.user_id = $2 or c.project_id = $3) and ${held}
       and not (c.lease_token = $4 and c.n = $5)`,
    [everybody, userId, projectId, but?.leaseToken ?? '', but?.n ?? 0],
  )
  return rows.map((row) => ({
    keys: keysOfCall(row),
    tokens: row.most_input_tokens + row.most_output_tokens,
    cost_usd: row.most_cost_usd ?? 0,
  }))
}

const keysOfCall = (row: CallRow): SpentKey[] =>
  keysOf(
    {
      ...{ runId: row.run_id, sessionId: row.session_id, ancestors: row.ancestors },
      ...{ userId: row.user_id, projectId: row.project_id },
    },
    row,
  )

const usesOf = (row: CallRow, use: Use): Uses => keysOfCall(row).map((key) => [key, use] as const)

const tokensIn = (usage: TokenUsage): TokenUsage => ({
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
  cache_creation_input_tokens: usage.cache_creation_input_tokens,
  cache_read_input_tokens: usage.cache_read_input_tokens,
})

const difference = (before: CallRow, call: EndedCall) => ({
  input_tokens: call.input_tokens - before.input_tokens,
  output_tokens: call.output_tokens - before.output_tokens,
  cache_creation_input_tokens: call.cache_creation_input_tokens - before.cache_creation_input_tokens,
  cache_read_input_tokens: call.cache_read_input_tokens - before.cache_read_input_tokens,
  cost_usd: (call.cost_usd ?? 0) - (before.cost_usd ?? 0),
})
