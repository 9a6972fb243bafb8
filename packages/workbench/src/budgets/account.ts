/**
 * POST /api/v1/runs/{id}/account: writes down what a run has used, and decides whether its next model call may begin.
 *
 * One transaction locks the sums that the run counts to, so decisions about the same budget come one after the other; and a call
 * that may begin is written down before the answer leaves. So at most one call goes over a limit, however many runs, sub-agents
 * and managers there are, and whatever of them is killed in between.
 */
import { type AccountAnswer, type accountRun, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import { isLastHolder } from '../claim/held-run.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { isHeld } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'
import { mayBegin, reached, wallLeftMs } from './decide.ts'
import { endCalls, loseCalls, noteWorkTime, openCall, openCalls, touchedKeys } from './ledger.ts'
import { limitsOf } from './limits.ts'
import { measure } from './measure.ts'
import { keysOf, periodNow, spenderOf } from './scopes.ts'
import { addToSums, lockSums, noUse } from './spent.ts'

/**
 * What has been used is taken from a former holder too: the money is spent. Only for calls that begin the lease must stand.
 * @throws TuttiError RUN_NOT_FOUND, LEASE_LOST
 */
export const account = async (
  deps: WorkbenchDeps,
  runId: string,
  request: z.output<typeof accountRun>,
): Promise<AccountAnswer> => {
  const answer = await deps.database.transaction(async (tx): Promise<AccountAnswer | 'lost'> => {
    const run = await findRun(tx, runId)
    if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
    const spender = await spenderOf(tx, { runId, sessionId: run.session_id, userId: run.user_id })
    const at = { leaseToken: request.lease_token }
    const now = await periodNow(tx, deps.budgets.timeZone)
    const own = keysOf(spender, now)
    await lockSums(tx, [...own, ...(await touchedKeys(tx, run.user_id, at, request.ended))])
    // Read anew under the lock: the lease may have gone while others were waited for.
    const present = await findRun(tx, runId)
    const holds = present !== undefined && isHeld(present.status) && isLastHolder(present, request)

    const ended = await endCalls(tx, at, request.ended)
    const lost = await loseCalls(tx, run.user_id)
    const wall_ms = holds ? await noteWorkTime(tx, { ...at, runId }, request.wall_ms) : 0
    await addToSums(tx, [...ended, ...lost, ...own.map((key) => [key, { ...noUse, wall_ms }] as const)])
    if (!holds) return 'lost'

    const limits = await limitsOf(tx, spender, run.config.budget, deps.budgets)
    const { begin } = request
    if (begin === null) {
      const measured = await measure(tx, limits, now.month)
      const refusal = reached(measured, ['wall_seconds']) ?? null
      return { verdict: refusal === null ? 'go' : 'stop', refusal, wall_left_ms: wallLeftMs(measured) }
    }
    const everybody = limits.some(({ scope }) => scope === 'all')
    const open = limits.length === 0 ? [] : await openCalls(tx, spender, { everybody, but: { ...at, n: begin.n } })
    const measured = await measure(tx, limits, now.month, open)
    const verdict = mayBegin(measured, { priced: begin.most.cost_usd !== null, model: begin.model })
    if (verdict.kind === 'go')
      await openCall(tx, { ...at, ...begin, purpose: 'turn', attempt: run.attempt }, spender, now)
    return {
      verdict: verdict.kind,
      refusal: verdict.kind === 'stop' ? verdict.refusal : null,
      wall_left_ms: wallLeftMs(measured),
    }
  })
  if (answer === 'lost')
    throw new TuttiError('LEASE_LOST', `Run ${runId} is no longer held by ${request.worker_id} under this lease`)
  return answer
}
