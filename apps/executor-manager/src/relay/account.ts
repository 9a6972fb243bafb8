/**
 * A run's account with the backend, for one hand-out: asks whether each model call may begin, tells what it used, and notices
 * when the run has to stop. The backend writes down and decides; nothing is lost here that could not be told again.
 */
import type { AccountAnswer, AccountRun, BudgetRefusal, ClaimedRun, EndedCall, TokenUsage } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { backOff } from '../backend/backoff.ts'
import type { BackendClient } from '../backend/client.ts'
import { isLeaseLost } from '../backend/error.ts'
import { persist } from '../backend/persist.ts'
import type { Lease } from '../claim/lease.ts'
import { messageOf } from '../fault.ts'
import { noTokens, type Spent, usageNames } from './usage.ts'

export type Beginning = NonNullable<AccountRun['begin']>

/** Why a run has to stop, though nothing has failed. */
export type Halt =
  /** A budget is used up. */
  | { kind: 'budget'; refusal: BudgetRefusal }
  /** The provider takes no requests until then (milliseconds since the epoch). */
  | { kind: 'rate_limit'; until: number }

export interface Account {
  /**
   * Resolves once the call may begin, with its number; or with the refusal. Waits while other calls may use up what is left, and
   * while the backend is away: a call that nobody wrote down would cost what no budget sees. Rejects when a signal aborts.
   */
  begin(call: Omit<Beginning, 'n'>, signal: AbortSignal): Promise<{ n: number } | { refusal: BudgetRefusal }>
  /** A call that began is over. Told to the backend at once, in the background. */
  end(call: EndedCall): void
  /** The provider has said when it takes requests again. */
  limitedUntil(until: number): void
  /** Resolves with the first reason to stop. */
  readonly halted: Promise<Halt>
  /** The same, as far as there is one. */
  halt(): Halt | undefined
  /** What the calls of this hand-out have used. */
  spent(): Spent
  /** From now on time counts; until `close`. */
  work(): void
  /** Tells what is still to be told. Never rejects. */
  close(): Promise<void>
}

export interface AccountOptions {
  claimed: Pick<ClaimedRun, 'run_id' | 'lease_token'>
  workerId: string
  lease: Pick<Lease, 'over' | 'lose'>
  /** How often the time at work is told where no limit is near. */
  tellEveryMs: number
}

/** The backend's limit for one request. */
const mostEnded = 500

export const createAccount = (
  deps: { backend: Pick<BackendClient, 'account'>; log: Logger },
  options: AccountOptions,
): Account => {
  const { claimed, workerId, lease } = options
  const halted = Promise.withResolvers<Halt>()
  const closed = new AbortController()
  const untold = new Map<number, EndedCall>()
  const sum: Spent = { ...noTokens, cost_usd: 0 }
  let halt: Halt | undefined
  let number = 0
  let began: number | undefined
  let timer: NodeJS.Timeout | undefined
  let telling: Promise<unknown> = Promise.resolve()

  const stop = (reason: Halt): void => {
    halt ??= reason
    halted.resolve(halt)
  }

  const tell = async (begin: Beginning | null): Promise<AccountAnswer> => {
    const ended = [...untold.values()].slice(0, mostEnded)
    const { run_id, lease_token } = claimed
    const wall_ms = began === undefined ? 0 : Math.round(performance.now() - began)
    const answer = await deps.backend.account(run_id, { worker_id: workerId, lease_token, ended, wall_ms, begin })
    for (const { n } of ended) untold.delete(n)
    if (answer.refusal !== null) stop({ kind: 'budget', refusal: answer.refusal })
    keepTime(answer.wall_left_ms)
    return answer
  }

  const tellPatiently = async (begin: Beginning | null, signal: AbortSignal): Promise<AccountAnswer> => {
    try {
      return await persist(() => tell(begin), { signal, log: deps.log })
    } catch (error) {
      if (isLeaseLost(error)) lease.lose(messageOf(error))
      throw error
    }
  }

  /** Looks again when the time is up, or after a while: other runs spend from the same budgets. */
  const keepTime = (leftMs: number | null): void => {
    clearTimeout(timer)
    if (began === undefined || closed.signal.aborted) return
    timer = setTimeout(tellSoon, Math.min(options.tellEveryMs, leftMs ?? Number.POSITIVE_INFINITY))
  }

  const tellSoon = (): void => {
    telling = telling
      .then(() => tellPatiently(null, AbortSignal.any([lease.over, closed.signal])))
      .catch((error: unknown) => {
        // What is untold goes along with the next request.
        if (!lease.over.aborted && !closed.signal.aborted)
          deps.log.error({ reason: messageOf(error) }, 'the use of a run could not be told')
      })
  }

  return {
    begin: async (call, signal) => {
      number += 1
      const beginning = { ...call, n: number }
      const either = AbortSignal.any([lease.over, signal])
      for (let tries = 1; ; tries += 1) {
        const { verdict, refusal } = await tellPatiently(beginning, either)
        if (verdict === 'go') return { n: beginning.n }
        if (refusal !== null) return { refusal }
        await backOff(tries, either)
      }
    },
    end: (call) => {
      for (const name of usageNames) sum[name] += call[name]
      sum.cost_usd += call.cost_usd ?? 0
      untold.set(call.n, call)
      tellSoon()
    },
    limitedUntil: (until) => stop({ kind: 'rate_limit', until }),
    halted: halted.promise,
    halt: () => halt,
    spent: () => ({ ...sum }),
    work: () => {
      began ??= performance.now()
      keepTime(null)
    },
    close: async () => {
      clearTimeout(timer)
      closed.abort()
      await telling
      if (began === undefined && untold.size === 0) return
      try {
        // Without a lease it is tried once: the money is spent all the same, and the backend takes the news.
        if (lease.over.aborted) await tell(null)
        else await tellPatiently(null, lease.over)
      } catch (error) {
        if (untold.size > 0) deps.log.warn({ reason: messageOf(error) }, 'the last use of a run could not be told')
      }
    },
  }
}

/** The most that a call may use, from what is sent. Denser text than a token in two bytes is rare. */
export const mostOf = (bodyBytes: number, maxTokens: number): TokenUsage => ({
  ...noTokens,
  input_tokens: Math.ceil(bodyBytes / 2),
  output_tokens: maxTokens,
})
