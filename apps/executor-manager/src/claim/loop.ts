/** Takes runs from the backend, one request at a time, while there is room to work on them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ClaimedRun } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import type { BackendClient } from '../backend/client.ts'
import { messageOf } from '../fault.ts'

export interface ClaimLoopOptions {
  workerId: string
  bootId: string
  leaseSeconds: number
  waitSeconds: number
  /** Pause after a request that failed. */
  pauseMs: number
  /** Runs at work at a time: from the claim until the end is reported, not only until they have started. */
  room: number
  work(claimed: ClaimedRun): Promise<void>
}

export interface ClaimLoop {
  /** Runs at work now. */
  running(): number
  /** What the last request for a run met; null when it was answered. */
  fault(): string | null
  /** Takes no more runs. */
  stop(): void
  /** Resolves when no run is at work. */
  idle(): Promise<void>
}

export const startClaimLoop = (deps: { backend: BackendClient; log: Logger }, options: ClaimLoopOptions): ClaimLoop => {
  const stopped = new AbortController()
  const atWork = new Set<Promise<void>>()
  let fault: string | null = null

  const ask = (): Promise<ClaimedRun | null> =>
    deps.backend.claim(
      {
        worker_id: options.workerId,
        boot_id: options.bootId,
        lease_seconds: options.leaseSeconds,
        wait_seconds: options.waitSeconds,
      },
      stopped.signal,
    )

  const begin = (claimed: ClaimedRun): void => {
    const { run_id, session_id } = claimed
    const done: Promise<void> = options
      .work(claimed)
      .catch((error: unknown) => deps.log.error({ err: error, run_id, session_id }, 'working on a run failed'))
      .finally(() => atWork.delete(done))
    atWork.add(done)
  }

  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      while (atWork.size >= options.room) await Promise.race(atWork)
      // A run that is handed over while the manager stops goes back when its lease ends, or at the next start.
      if (stopped.signal.aborted) return
      try {
        const claimed = await ask()
        if (fault !== null) deps.log.info('the backend answers again')
        fault = null
        if (claimed !== null) begin(claimed)
      } catch (error) {
        if (stopped.signal.aborted) return
        if (fault === null) deps.log.warn({ reason: messageOf(error) }, 'no runs can be taken; trying again')
        fault = messageOf(error)
        await delay(options.pauseMs, undefined, { signal: stopped.signal })
      }
    }
  }

  const looping = loop().catch((error: unknown) => {
    if (!stopped.signal.aborted) deps.log.error({ err: error }, 'taking runs ended')
  })

  return {
    running: () => atWork.size,
    fault: () => fault,
    stop: () => stopped.abort(),
    idle: async () => {
      await looping
      while (atWork.size > 0) await Promise.all(atWork)
    },
  }
}
