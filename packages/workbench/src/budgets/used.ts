/** What was used, as readers are shown it: always read off the ledger's sums. */
import type { Spending, SpendingScope, TokenUsage, UsageView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { noUse, readSums, spendingOf, type Use } from './spent.ts'

/** What has been used in all; undefined where nothing was told yet. */
export const spendingBy = async (
  database: Queryable,
  scope: SpendingScope,
  scopeId: string,
): Promise<Spending | undefined> => {
  const [use] = (await readSums(database, [{ scope, scopeId, period: '' }])).values()
  return use === undefined ? undefined : spendingOf({ ...noUse, ...use })
}

interface Shown {
  id: string
  /** A branch shows what its copy's original used. */
  copied_from: string | null
}

/** By the run's id; a run that has used nothing is not in it. */
export const usageOfRuns = async (
  database: Queryable,
  runs: readonly Shown[],
): Promise<ReadonlyMap<string, UsageView>> => {
  const origin = ({ id, copied_from }: Shown): string => copied_from ?? id
  const keys = runs.map((run) => ({ scope: 'run' as const, scopeId: origin(run), period: '' }))
  const sums = keys.length === 0 ? [] : [...(await readSums(database, keys)).values()]
  const views = new Map(sums.flatMap((sum) => (isNothing(sum) ? [] : [[sum.scopeId, usageView(sum)] as const])))
  return new Map(
    runs.flatMap((run) => {
      const view = views.get(origin(run))
      return view === undefined ? [] : [[run.id, view] as const]
    }),
  )
}

const isNothing = ({ calls, wall_ms }: Use): boolean => calls === 0 && wall_ms === 0

export const usageView = ({ wall_ms, cost_usd, ...use }: Use): UsageView => ({
  input_tokens: use.input_tokens,
  output_tokens: use.output_tokens,
  cache_creation_input_tokens: use.cache_creation_input_tokens,
  cache_read_input_tokens: use.cache_read_input_tokens,
  cost_usd,
  duration_ms: wall_ms,
})

/** The tokens of one hand-out's calls. */
export const tokensOfHandOut = async (database: Queryable, leaseToken: string): Promise<TokenUsage> => {
  const [sum] = await database.query<TokenUsage>(
    `select coalesce(sum(input_tokens), 0)::bigint as input_tokens,
       coalesce(sum(output_tokens), 0)::bigint as output_tokens,
       coalesce(sum(cache_creation_input_tokens), 0)::bigint as cache_creation_input_tokens,
       coalesce(sum(cache_read_input_tokens), 0)::bigint as cache_read_input_tokens
     from workbench.model_calls where lease_token = $1`,
    [leaseToken],
  )
  return sum ?? noUse
}
