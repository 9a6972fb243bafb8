/** Which limits hold for a spender: the run's own, its owner's, the operator's, and the defaults of the configuration. */
import type { Budget, BudgetPeriod, SpendingScope } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { limitScopesOf, type Spender } from './scopes.ts'

export interface Limit {
  scope: SpendingScope
  scopeId: string
  period: BudgetPeriod
  /** `run`, `owner`, `operator`, or the variable that holds it. */
  setBy: string
  limits: Budget
}

/** A limit for each run, session, user or project for which the operator has set no other. */
export interface DefaultLimit {
  scope: SpendingScope
  period: BudgetPeriod
  variable: string
  limits: Budget
}

export interface BudgetSettings {
  /** Months begin by its clocks. */
  timeZone: string
  defaults: readonly DefaultLimit[]
}

interface BudgetRow {
  scope: SpendingScope
  scope_id: string
  period: BudgetPeriod
  set_by: 'owner' | 'operator'
  tokens: number | null
  cost_usd: number | null
  wall_seconds: number | null
}

/** @param own the budget that the run was sent with */
export const limitsOf = async (
  database: Queryable,
  spender: Spender,
  own: Budget | undefined,
  { defaults }: BudgetSettings,
): Promise<Limit[]> => {
  const scopes = limitScopesOf(spender)
  const rows = await database.query<BudgetRow>(
    `select b.scope, b.scope_id, b.period, b.set_by, b.tokens, b.cost_usd, b.wall_seconds from workbench.budgets b
     join jsonb_to_recordset($1::jsonb) as of (scope text, "scopeId" text)
       on of.scope = b.scope and of."scopeId" = b.scope_id`,
    [JSON.stringify(scopes)],
  )
  const set = rows.map(limitOf)
  const standing = defaults.flatMap(({ scope, period, variable, limits }) =>
    scopes
      .filter((of) => of.scope === scope)
      .filter(({ scopeId }) => !set.some((row) => isOperators(row) && row.scopeId === scopeId && row.period === period))
      .map((of) => ({ ...of, period, setBy: variable, limits })),
  )
  const runs: Limit[] =
    own === undefined || spender.runId === null
      ? []
      : [{ scope: 'run', scopeId: spender.runId, period: 'total', setBy: 'run', limits: own }]
  return [...runs, ...set, ...standing]
}

const isOperators = ({ setBy }: Limit): boolean => setBy === 'operator'

const limitOf = (row: BudgetRow): Limit => ({
  ...{ scope: row.scope, scopeId: row.scope_id, period: row.period, setBy: row.set_by },
  limits: {
    ...(row.tokens === null ? {} : { tokens: row.tokens }),
    ...(row.cost_usd === null ? {} : { cost_usd: row.cost_usd }),
    ...(row.wall_seconds === null ? {} : { wall_seconds: row.wall_seconds }),
  },
})
