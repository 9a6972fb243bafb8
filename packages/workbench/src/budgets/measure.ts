/** Reads the limits of a spender with what counts against them. */
import type { Budget, BudgetRefusal } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { type Measured, reached } from './decide.ts'
import type { OpenCall } from './ledger.ts'
import { type BudgetSettings, type Limit, limitsOf } from './limits.ts'
import { keyText, periodNow, type SpentKey, spenderOf } from './scopes.ts'
import { noUse, readSums } from './spent.ts'

const keyOf = ({ scope, scopeId, period }: Limit, month: string): SpentKey => ({
  // A session's limit is for all that was branched from it, too.
  ...{ scope: scope === 'session' ? 'lineage' : scope, scopeId },
  period: period === 'month' ? month : '',
})

export const measure = async (
  database: Queryable,
  limits: readonly Limit[],
  month: string,
  open: readonly OpenCall[] = [],
): Promise<Measured[]> => {
  if (limits.length === 0) return []
  const sums = await readSums(
    database,
    limits.map((limit) => keyOf(limit, month)),
  )
  return limits.map((limit) => {
    const key = keyText(keyOf(limit, month))
    const held = { tokens: 0, cost_usd: 0 }
    for (const call of open)
      if (call.keys.some((each) => keyText(each) === key)) {
        held.tokens += call.tokens
        held.cost_usd += call.cost_usd
      }
    return { limit, month: limit.period === 'month' ? month : null, used: sums.get(key) ?? noUse, held }
  })
}

/** The limit that leaves nothing for a run; undefined: it may begin. */
export const exhausted = async (
  database: Queryable,
  settings: BudgetSettings,
  given: { runId?: string; sessionId: string | null; userId: string; budget: Budget | undefined },
): Promise<BudgetRefusal | undefined> => {
  const { runId = null, sessionId, userId } = given
  const spender = await spenderOf(database, { runId, sessionId, userId })
  const limits = await limitsOf(database, spender, given.budget, settings)
  if (limits.length === 0) return undefined
  const { month } = await periodNow(database, settings.timeZone)
  const measured = await measure(database, limits, month)
  return reached(measured, ['tokens', 'cost_usd', 'wall_seconds'])
}
