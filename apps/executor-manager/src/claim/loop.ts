/** Takes runs from the backend, one request at a time, while there is room to work on them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { PullSchedule } from '@tutti/config'
import type { ClaimedRun, ScheduleMode } from '@tutti/contracts'
import { backoffDelayMs } from '@tutti/contracts/backoff'
import type { Logger } from '@tutti/telemetry'
import { type BackendClient, overdueAfter } from '../backend/client.ts'
import { messageOf } from '../fault.ts'
import { nextChange, openModes, pauseSeconds } from './schedule.ts'

export interface ClaimLoopOptions {
  workerId: string
  bootId: string
  leaseSeconds: number
  waitSeconds: number
  /** Pause after a request that failed while no rule is open, whose own pause it would be. */
  pauseMs: number
  /** Runs at work at a time: from the claim until sandbox and export are done and the end is reported. */
  room: number
  schedule: PullSchedule
  now: () => number
  work(claimed: ClaimedRun): Promise<void>
}

export interface ClaimLoop {
  /** Runs at work now. */
  running(): number
  /** What the last request for a run met; null when it was answered. */
  fault(): string | null
  /**
   * Takes what waits of these modes now, whether their windows are open or not, as far as there is room. What is asked for anyway is
   * there at once; the others follow when the request that is open has been answered, at most `waitSeconds` later.
   */
  pull(modes: readonly ScheduleMode[]): void
  /** Takes no more runs. */
  stop(): void
  /** Resolves when no run is at work. */
  idle(): Promise<void>
}

/** A timer of more than 31 bits would fire at once. */
const longestSleepMs = 3_600_000

export const startClaimLoop = (deps: { backend: BackendClient; log: Logger }, options: ClaimLoopOptions): ClaimLoop => {
  const { schedule, now } = options
  const stopped = new AbortController()
  /** With their runs. */
  const atWork = new Map<Promise<void>, string>()
  const pulled = new Set<ScheduleMode>()
  const boot = now()
  let wake = new AbortController()
  let fault: string | null = null
  /** Requests that had no answer since the last that had one. */
  let unanswered = 0

  const ask = (modes: ScheduleMode[], waitSeconds: number): Promise<ClaimedRun | null> =>
    deps.backend.claim(
      {
        worker_id: options.workerId,
        boot_id: options.bootId,
        lease_seconds: options.leaseSeconds,
        wait_seconds: waitSeconds,
        capacity: options.room,
        ...(unanswered === 0 ? {} : { holding: [...atWork.values()] }),
        schedule_modes: modes,
      },
      stopped.signal,
      overdueAfter(unanswered),
    )

  const begin = (claimed: ClaimedRun): void => {
    const { run_id, session_id } = claimed
    const done: Promise<void> = options
      .work(claimed)
      .catch((error: unknown) => deps.log.error({ err: error, run_id, session_id }, 'working on a run failed'))
      .finally(() => atWork.delete(done))
    atWork.set(done, run_id)
  }

  /** Until the time is over, or somebody asks for runs. */
  const rest = async (ms: number): Promise<void> => {
    wake = new AbortController()
    const signal = AbortSignal.any([stopped.signal, wake.signal])
    await delay(Math.min(ms, longestSleepMs), undefined, { signal }).catch(() => undefined)
  }

  /** One request, or the time until one may be made. */
  const turn = async (): Promise<void> => {
    const at = now()
    const open = openModes(schedule, at, boot)
    const once = [...pulled].filter((mode) => !open.includes(mode))
    const untilChange = (nextChange(schedule, at, boot) ?? Number.POSITIVE_INFINITY) - at
    if (open.length + once.length === 0) return rest(untilChange)
    try {
      // A request that outlived its windows would be given what they no longer allow.
      const wait = once.length > 0 ? 0 : Math.min(options.waitSeconds, untilChange / 1000)
      const claimed = await ask([...open, ...once], wait)
      if (fault !== null) deps.log.info('the backend answers again')
      fault = null
      unanswered = 0
      if (claimed !== null) begin(claimed)
      // Nothing waits any more: what was pulled has been taken.
      else for (const mode of once) pulled.delete(mode)
      for (const mode of open) pulled.delete(mode)
    } catch (error) {
      if (stopped.signal.aborted) return
      if (fault === null) deps.log.warn({ reason: messageOf(error) }, 'no runs can be taken; trying again')
      fault = messageOf(error)
      unanswered += 1
      const seconds = pauseSeconds(schedule, at, boot)
      const pauseMs = seconds === null ? options.pauseMs : seconds * 1000
      // Another backend may answer at once, and a run wait for it; the whole pause is for when none has for as long.
      await rest(Math.min(pauseMs, backoffDelayMs({ firstMs: 100, maxMs: pauseMs }, unanswered, Math.random())))
    }
  }

  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      while (atWork.size >= options.room) await Promise.race(atWork.keys())
      // A run that is handed over while the manager stops goes back when its lease ends, or at the next start.
      if (!stopped.signal.aborted) await turn()
    }
  }

  const looping = loop().catch((error: unknown) => {
    if (!stopped.signal.aborted) deps.log.error({ err: error }, 'taking runs ended')
  })

  return {
    running: () => atWork.size,
    fault: () => fault,
    pull: (modes) => {
      for (const mode of modes) pulled.add(mode)
      wake.abort()
    },
    stop: () => stopped.abort(),
    idle: async () => {
      await looping
      while (atWork.size > 0) await Promise.all(atWork.keys())
    },
  }
}
