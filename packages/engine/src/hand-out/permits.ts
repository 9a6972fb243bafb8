/**
 * Rates: a limited skill's tasks are only asked for with permits in hand, drawn from a bucket that all instances share. Those that were
 * not needed go back. Who finds the bucket empty does not draw again before it can have been refilled.
 */
import type { EngineSettings } from '../engine.ts'
import type { After } from '../run/after.ts'
import type { Draw, Drawn } from '../store/port.ts'

export interface PermitsDeps {
  rates: EngineSettings['skillRates']
  /** Batched by the caller, so that many polls share a round trip. */
  draw: (draw: Draw) => Promise<Drawn>
  now: () => number
  after: After
  /** An empty bucket is looked at again after this time at the latest: somebody may have given permits back. */
  longestMs: number
  /** The bucket may have permits again. */
  onRefill: (skill: string) => void
  onError: (error: unknown) => void
}

export interface Permits {
  limits(skill: string): boolean
  /** Up to `want` permits. */
  take(skill: string, want: number): Promise<number>
  giveBack(skill: string, count: number): Promise<void>
  stop(): void
}

/** A bucket that is refilled faster is looked at no more often. */
const shortestMs = 5

export const createPermits = (deps: PermitsDeps): Permits => {
  const { rates, draw, now, after, longestMs, onRefill, onError } = deps
  const empty = new Map<string, { until: number; cancel: () => void }>()
  const request = (skill: string, want: number): Draw | null => {
    const rate = Object.hasOwn(rates, skill) ? rates[skill] : undefined
    if (!rate) return null
    const budget = { kind: 'bucket', capacity: rate.count, refillPerMs: rate.count / rate.perMs } as const
    return { key: `skill:${skill}`, want, partial: true, budget }
  }
  const waitFor = (skill: string, retryAt: number | null, onePermitMs: number): void => {
    empty.get(skill)?.cancel()
    // `retryAt` is when all that was wanted could be granted; one is enough to go on.
    const soonest = Math.min((retryAt ?? Number.POSITIVE_INFINITY) - now(), Math.ceil(onePermitMs), longestMs)
    const delay = Math.max(soonest, shortestMs)
    const cancel = after(delay, () => {
      empty.delete(skill)
      onRefill(skill)
    })
    empty.set(skill, { until: now() + delay, cancel })
  }

  return {
    limits: (skill) => Object.hasOwn(rates, skill),
    take: async (skill, want) => {
      const asked = request(skill, want)
      if (!asked) return want
      if ((empty.get(skill)?.until ?? 0) > now()) return 0
      const { granted, retryAt } = await draw(asked)
      if (granted === 0 && asked.budget.kind === 'bucket') waitFor(skill, retryAt, 1 / asked.budget.refillPerMs)
      return granted
    },
    giveBack: async (skill, count) => {
      const asked = request(skill, -count)
      if (!asked || count <= 0) return
      // Lost permits come back by themselves, as the bucket is refilled.
      await draw(asked).catch(onError)
    },
    stop: () => {
      for (const { cancel } of empty.values()) cancel()
      empty.clear()
    },
  }
}
