/** The ledger's sums. */
import type { Spending, TokenUsage } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { keyText, type SpentKey } from './scopes.ts'

/** What is added to sums. A call that is corrected later adds the difference, which may be negative. */
export interface Use extends TokenUsage {
  calls: number
  /** Runs whose first call it is. */
  runs: number
  cost_usd: number
  wall_ms: number
}

export const noUse: Use = {
  ...{
    calls: 0,
    runs: 0,
    input_tokens: 0,
    output_tokens: 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  },
  ...{ cost_usd: 0, wall_ms: 0 },
}

export const useNames = Object.keys(noUse) as (keyof Use)[]

/** All tokens that passed, in whichever way they are billed. */
export const tokensOf = (use: TokenUsage): number =>
  use.input_tokens + use.output_tokens + use.cache_creation_input_tokens + use.cache_read_input_tokens

type Sums = ReadonlyMap<string, SpentKey & Use>

const columns = `scope, scope_id as "scopeId", period, calls, runs, input_tokens, output_tokens, cache_creation_input_tokens,
  cache_read_input_tokens, cost_usd::float8 as cost_usd, wall_ms`

/** Makes the rows where they are missing, and locks them. Always in one order, so that no two can wait for each other. */
export const lockSums = async (tx: Queryable, keys: readonly SpentKey[]): Promise<void> => {
  const wanted = JSON.stringify(keys)
  const of = 'jsonb_to_recordset($1::jsonb) as of (scope text, "scopeId" text, period text)'
  await tx.query(
    `insert into workbench.spent (scope, scope_id, period)
     select distinct of.scope, of."scopeId", of.period from ${of} order by 1, 2, 3 on conflict do nothing`,
    [wanted],
  )
  await tx.query(
    `select 1 from workbench.spent s
     where (s.scope, s.scope_id, s.period) in (select of.scope, of."scopeId", of.period from ${of})
     order by s.scope, s.scope_id, s.period for update`,
    [wanted],
  )
}

export const readSums = async (database: Queryable, keys: readonly SpentKey[]): Promise<Sums> => {
  const rows = await database.query<SpentKey & Use>(
    `select ${columns} from workbench.spent s
     where (s.scope, s.scope_id, s.period) in
       (select of.scope, of."scopeId", of.period
        from jsonb_to_recordset($1::jsonb) as of (scope text, "scopeId" text, period text))`,
    [JSON.stringify(keys)],
  )
  return new Map(rows.map((row) => [keyText(row), row]))
}

/** Under their lock. */
export const addToSums = async (tx: Queryable, uses: readonly (readonly [SpentKey, Use])[]): Promise<void> => {
  const sums = new Map<string, SpentKey & Use>()
  for (const [key, use] of uses) {
    const sum = sums.get(keyText(key)) ?? { ...key, ...noUse }
    for (const name of useNames) sum[name] += use[name]
    sums.set(keyText(key), sum)
  }
  if (sums.size === 0) return
  await tx.query(
    `update workbench.spent s
     set ${useNames.map((name) => `${name} = s.${name} + more.${name}`).join(', ')}
     from jsonb_to_recordset($1::jsonb) as more
       (scope text, "scopeId" text, period text, calls bigint, runs bigint, input_tokens bigint, output_tokens bigint,
        cache_creation_input_tokens bigint, cache_read_input_tokens bigint, cost_usd numeric, wall_ms bigint)
     where s.scope = more.scope and s.scope_id = more."scopeId" and s.period = more.period`,
    [JSON.stringify([...sums.values()])],
  )
}

export const spendingOf = ({ wall_ms, calls, cost_usd, ...tokens }: Use): Spending => ({
  calls,
  input_tokens: tokens.input_tokens,
  output_tokens: tokens.output_tokens,
  cache_creation_input_tokens: tokens.cache_creation_input_tokens,
  cache_read_input_tokens: tokens.cache_read_input_tokens,
  cost_usd,
  wall_seconds: wall_ms / 1000,
})
