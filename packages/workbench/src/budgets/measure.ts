/** Reads the limits of a spender with what counts against them. */
import type { Budget, BudgetRefusal } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { type Measured, reached } from './decide.ts'
import type { OpenCall } from './ledger.ts'
import { type BudgetSettings, type Limit, limitsOf } from './limits.ts'
import { keyText, monthNow, projectOf, type Spender, type SpentKey } from './scopes.ts'
import { noUse, readSums } from './spent.ts'

const keyOf = ({ scope, scopeId, period }: Limit, month: string): SpentKey => ({
  ...{ scope, scopeId },
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
  const spender: Spender = {
    runId: given.runId ?? null,
    sessionId: given.sessionId,
    userId: given.userId,
    projectId: given.sessionId === null ? null : await projectOf(database, given.sessionId),
  }
  const limits = await limitsOf(database, spender, given.budget, settings)
  if (limits.length === 0) return undefined
  const measured = await measure(database, limits, await monthNow(database, settings.timeZone))
  return reached(measured, ['tokens', 'cost_usd', 'wall_seconds'])
}
