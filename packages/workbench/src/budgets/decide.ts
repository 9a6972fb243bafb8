/** Whether a limit is reached. Pure. */
import type { Budget, BudgetRefusal } from '@tutti/contracts'
import type { Limit } from './limits.ts'
import { tokensOf, type Use } from './spent.ts'

/** A limit with what counts against it. */
export interface Measured {
  limit: Limit
  /** The month, where the limit is for one. */
  month: string | null
  used: Use
  /** What calls under way may use of it at most. */
  held: { tokens: number; cost_usd: number }
}

type Verdict = { kind: 'go' | 'wait' } | { kind: 'stop'; refusal: BudgetRefusal }

type Measure = keyof Budget

const usedOf = (use: Use, measure: Measure): number =>
  measure === 'tokens' ? tokensOf(use) : measure === 'cost_usd' ? use.cost_usd : use.wall_ms / 1000

/** The first limit that is reached, of these measures. */
export const reached = (all: readonly Measured[], measures: readonly Measure[]): BudgetRefusal | undefined => {
  for (const measured of all)
    for (const measure of measures) {
      const most = measured.limit.limits[measure]
      if (most === undefined || usedOf(measured.used, measure) < most) continue
      return refusalOf(measured, measure, most)
    }
  return undefined
}

/**
 * Whether a model call may begin. Only one may go over a limit: it begins while what has been used, with the most that all calls
 * under way may use, is still below. Where only those calls make the difference it waits for them instead.
 */
export const mayBegin = (all: readonly Measured[], call: { priced: boolean; model: string }): Verdict => {
  const refusal =
    reached(all, ['tokens', 'cost_usd', 'wall_seconds']) ?? (call.priced ? undefined : unpriced(all, call.model))
  if (refusal !== undefined) return { kind: 'stop', refusal }
  const full = all.some(
    ({ limit: { limits }, used, held }) =>
      (limits.tokens !== undefined && held.tokens > 0 && tokensOf(used) + held.tokens >= limits.tokens) ||
      (limits.cost_usd !== undefined && held.cost_usd > 0 && used.cost_usd + held.cost_usd >= limits.cost_usd),
  )
  return { kind: full ? 'wait' : 'go' }
}

/** How long work may go on; null: without a limit. */
export const wallLeftMs = (all: readonly Measured[]): number | null => {
  const left = all.flatMap(({ limit: { limits }, used }) =>
    limits.wall_seconds === undefined ? [] : [Math.max(0, limits.wall_seconds * 1000 - used.wall_ms)],
  )
  return left.length === 0 ? null : Math.min(...left)
}

/** Let through, it would spend money that no budget sees. */
const unpriced = (all: readonly Measured[], model: string): BudgetRefusal | undefined => {
  const first = all.find(({ limit }) => limit.limits.cost_usd !== undefined)
  if (first === undefined) return undefined
  const refusal = refusalOf(first, 'cost_usd', first.limit.limits.cost_usd ?? 0)
  const what = `What the model ${JSON.stringify(model)} costs is not known, and ${nameOf(first)} is in dollars`
  return { ...refusal, message: `${what}: its price belongs into MODEL_PRICES.` }
}

const refusalOf = (measured: Measured, measure: Measure, limit: number): BudgetRefusal => {
  const { scope, scopeId, period, setBy } = measured.limit
  const used = usedOf(measured.used, measure)
  const message = `${capital(nameOf(measured))} of ${amount(measure, limit)} (set by ${setter(setBy)}) is used up: ${amount(measure, used)} so far.`
  return { scope, scope_id: scopeId, period, measure, limit, used, set_by: setBy, message }
}

const nameOf = ({ limit, month }: Measured): string => {
  const whose = limit.scope === 'all' ? 'everybody together' : `the ${limit.scope} ${limit.scopeId}`
  return `the budget of ${whose}${month === null ? '' : ` for ${month}`}`
}

const setter = (setBy: string): string =>
  setBy === 'run' ? 'the run’s own configuration' : setBy === 'owner' || setBy === 'operator' ? `the ${setBy}` : setBy

const amount = (measure: Measure, value: number): string => {
  if (measure === 'cost_usd') return `$${value.toFixed(value < 1 ? 4 : 2)}`
  return measure === 'tokens' ? `${Math.round(value)} tokens` : `${Math.round(value)} s`
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
