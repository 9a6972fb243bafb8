/**
 * Holding on to a claimed run. The lease is renewed in the background from the claim to the accepted end; who works on
 * the run watches two signals.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ClaimedRun } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { backOff } from '../backend/backoff.ts'
import { type BackendClient, overdueAfter } from '../backend/client.ts'
import { isLeaseLost } from '../backend/error.ts'
import { messageOf } from '../fault.ts'
import { type Commands, createCommandBox } from './commands.ts'

export interface Lease {
  /** Somebody else may have the run now: stop what runs, write nothing more. */
  readonly lost: AbortSignal
  /** The user wants the run to stop; the lease still stands. */
  readonly cancelled: AbortSignal
  /** Lost, or ended in order: nothing needs to be tried any more. */
  readonly over: AbortSignal
  /** What was said to the run since it was claimed. */
  readonly commands: Commands
  /** Somebody at this host wants the run to stop. */
  cancel(why: string): void
  /** Another request found out that the lease is lost. */
  lose(why: string): void
  /** The run's end is accepted: no more renewals. */
  end(): void
}

export interface LeaseOptions {
  claimed: Pick<ClaimedRun, 'run_id' | 'lease_token'>
  workerId: string
  leaseSeconds: number
  /** How long a renewal may wait at the backend for news: so a cancellation is heard at once, and costs no more requests. */
  renewWaitMs: number
  /** The pause between renewals that are answered without waiting: where the backend has said all, or does not wait. */
  renewEveryMs: number
}

export const keepLease = (deps: { backend: BackendClient; log: Logger }, options: LeaseOptions): Lease => {
  const { claimed, workerId, leaseSeconds } = options
  const lost = new AbortController()
  const cancelled = new AbortController()
  const over = new AbortController()
  const box = createCommandBox()
  const leaseMs = leaseSeconds * 1000
  const marginMs = Math.min(3_000, leaseMs / 20)
  let expiry: NodeJS.Timeout | undefined

  const lose = (why: string): void => {
    if (over.signal.aborted) return
    deps.log.warn({ reason: why }, 'the lease is lost; the run is dropped')
    lost.abort(new Error(`the lease is lost: ${why}`))
    end()
  }
  const cancel = (why: string): void => {
    if (!cancelled.signal.aborted) cancelled.abort(new Error(why))
  }
  const end = (): void => {
    clearTimeout(expiry)
    over.abort()
  }
  // Reckoned from before the request that got it, and less the time that ending a sandbox takes: too early by a moment
  // costs little, and too late lets two agents write in one workspace.
  const heldFrom = (asked: number): void => {
    clearTimeout(expiry)
    expiry = setTimeout(
      () => lose('it ran out before the backend could be reached'),
      asked + leaseMs - marginMs - performance.now(),
    )
  }

  const news = (): string => `${cancelled.signal.aborted} ${box.last()}`

  /** @returns after how many tries it was answered */
  const renewOnce = async (waitMs: number): Promise<number> => {
    for (let tries = 1; ; tries += 1) {
      const asked = performance.now()
      try {
        const { lease_token } = claimed
        const request = {
          worker_id: workerId,
          lease_token,
          lease_seconds: leaseSeconds,
          // After one that failed the lease is not to run out at the backend's long poll: the answer counts, not the news.
          wait_seconds: tries === 1 ? waitMs / 1000 : 0,
          commands_after: box.last(),
        }
        const {
          held,
          cancel: wanted,
          commands,
        } = await deps.backend.renew(claimed.run_id, request, over.signal, overdueAfter(tries - 1))
        if (over.signal.aborted) return tries
        box.put(commands)
        if (!held) lose('the backend says so')
        else {
          heldFrom(asked)
          if (wanted) cancel('the run was cancelled')
        }
        return tries
      } catch (error) {
        if (over.signal.aborted) return tries
        if (isLeaseLost(error)) {
          lose(messageOf(error))
          return tries
        }
        if (tries === 1) deps.log.warn({ reason: messageOf(error) }, 'the lease could not be renewed; trying again')
        await backOff(tries, over.signal)
      }
    }
  }

  const keep = async (): Promise<void> => {
    const pauseMs = Math.min(leaseMs / 3, options.renewEveryMs)
    while (!over.signal.aborted) {
      // Once the run is cancelled each renewal is answered at once.
      const waitMs = cancelled.signal.aborted ? 0 : Math.min(leaseMs / 3, options.renewWaitMs)
      const known = news()
      const began = performance.now()
      const tries = await renewOnce(waitMs)
      // Answered early, and with nothing new: asking again at once would be asking without end.
      const idle = tries === 1 && news() === known && performance.now() - began < waitMs / 2
      if (waitMs === 0 || idle) await delay(pauseMs, undefined, { signal: over.signal })
    }
  }

  heldFrom(performance.now())
  keep().catch((error: unknown) => {
    // Waiting ends by being aborted; anything else would leave the lease to run out unnoticed.
    if (!over.signal.aborted) lose(messageOf(error))
  })
  return { lost: lost.signal, cancelled: cancelled.signal, over: over.signal, commands: box, cancel, lose, end }
}
