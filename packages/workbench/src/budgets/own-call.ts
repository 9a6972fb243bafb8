/** A model call that the workbench makes itself, outside every run. It is in the ledger and in budgets like those of agents. */
import { randomUUID } from 'node:crypto'
import type { TokenUsage } from '@tutti/contracts'
import type { Database, Queryable } from '../database/database.ts'
import { mayBegin } from './decide.ts'
import { endCalls, loseCalls, type NewCall, openCall, openCalls, touchedKeys } from './ledger.ts'
import { type BudgetSettings, limitsOf } from './limits.ts'
import { measure } from './measure.ts'
import { keysOf, periodNow, spenderOf } from './scopes.ts'
import { addToSums, lockSums } from './spent.ts'

export interface OwnCall extends Pick<NewCall, 'purpose' | 'model' | 'provider' | 'most'> {
  /** Null where it is in none: writing a memory by hand. */
  sessionId: string | null
  userId: string
}

/** What a call has used, as far as its provider said so. */
export interface Answered<T> {
  value: T
  usage: TokenUsage
  cost_usd: number | null
}

/** Other calls may use up what is left: to be asked again when they are over. */
export class BudgetBusyError extends Error {
  override readonly name = 'BudgetBusyError'
}

/**
 * Asks, if budgets allow; null where they don't. A call that throws is counted with what was sent, as nobody knows what came of it.
 * @throws BudgetBusyError, and what `ask` throws
 */
export const ownCall = async <T>(
  { database, budgets }: { database: Database; budgets: BudgetSettings },
  call: OwnCall,
  ask: () => Promise<Answered<T>>,
): Promise<T | null> => {
  const at = { leaseToken: randomUUID(), n: 1 }
  const begun = await database.transaction((tx) => begin(tx, budgets, call, at))
  if (begun === 'stop') return null
  if (begun === 'wait') throw new BudgetBusyError('other calls may use up what the budget leaves')
  const end = (usage: TokenUsage, cost_usd: number | null, complete: boolean): Promise<void> =>
    database.transaction(async (tx) => {
      const ended = [{ ...usage, n: at.n, cost_usd, status: complete ? 200 : 0, complete }]
      await lockSums(tx, await touchedKeys(tx, call.userId, at, ended))
      await addToSums(tx, await endCalls(tx, at, ended))
    })
  const sent: TokenUsage = {
    ...{ input_tokens: call.most.input_tokens, output_tokens: 0 },
    ...{ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  }
  let answered: Answered<T>
  try {
    answered = await ask()
  } catch (error) {
    await end(sent, null, false)
    throw error
  }
  await end(answered.usage, answered.cost_usd, true)
  return answered.value
}

const begin = async (
  tx: Queryable,
  budgets: BudgetSettings,
  { sessionId, userId, ...call }: OwnCall,
  at: { leaseToken: string; n: number },
): Promise<'go' | 'wait' | 'stop'> => {
  const spender = await spenderOf(tx, { runId: null, sessionId, userId })
  const now = await periodNow(tx, budgets.timeZone)
  await lockSums(tx, [...keysOf(spender, now), ...(await touchedKeys(tx, userId, at, []))])
  await addToSums(tx, await loseCalls(tx, userId))
  const limits = await limitsOf(tx, spender, undefined, budgets)
  const everybody = limits.some(({ scope }) => scope === 'all')
  const open = limits.length === 0 ? [] : await openCalls(tx, spender, { everybody })
  const measured = await measure(tx, limits, now.month, open)
  const { kind } = mayBegin(measured, { priced: call.most.cost_usd !== null, model: call.model })
  if (kind === 'go') await openCall(tx, { ...call, ...at, attempt: 1 }, spender, now)
  return kind
}
