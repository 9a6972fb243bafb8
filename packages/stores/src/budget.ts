/** One draw from a budget, as plain arithmetic: the memory Store's, and what the others must come to. */
import type { Draw, Drawn } from '@tutti/engine'

/** What is kept of a budget. A bucket: its level at the instant `at`. A window: what was taken, until `until`. */
export type Budget = { kind: 'bucket'; level: number; at: number } | { kind: 'window'; used: number; until: number }

/** Sums of fractions miss whole numbers by about 1e-16 of them: a bucket refilled to 0.9999999 holds one. */
const nearly = 1e-6

export const drawFrom = (former: Budget | undefined, draw: Draw, now: number): { next: Budget; drawn: Drawn } => {
  const { want, budget } = draw
  const { capacity } = budget
  const before = levelOf(former, draw, now)
  const granted = grantOf(before, draw)
  const left = Math.min(capacity, before - granted)
  const next: Budget =
    budget.kind === 'bucket'
      ? { kind: 'bucket', level: left, at: Math.max(now, former?.kind === 'bucket' ? former.at : now) }
      : { kind: 'window', used: capacity - left, until: untilOf(former, budget.until) }
  const rest = Math.max(0, want) - Math.max(0, granted)
  const drawn = { granted, left: Math.max(0, left), retryAt: null }
  if (rest <= 0 || rest > capacity) return { next, drawn }
  if (budget.kind === 'window') return { next, drawn: { ...drawn, retryAt: untilOf(former, budget.until) } }
  if (budget.refillPerMs <= 0) return { next, drawn }
  return { next, drawn: { ...drawn, retryAt: Math.ceil(now + (rest - left) / budget.refillPerMs) } }
}

const untilOf = (former: Budget | undefined, until: number): number =>
  former?.kind === 'window' ? Math.max(former.until, until) : until

const levelOf = (former: Budget | undefined, { budget }: Draw, now: number): number => {
  if (budget.kind === 'window')
    return former?.kind === 'window' && former.until >= budget.until ? budget.capacity - former.used : budget.capacity
  if (former?.kind !== 'bucket') return budget.capacity
  return Math.min(budget.capacity, former.level + Math.max(0, now - former.at) * budget.refillPerMs)
}

const grantOf = (level: number, { want, partial, budget }: Draw): number => {
  if (want < 0) return Math.max(want, Math.min(0, level - budget.capacity))
  if (want <= level + nearly) return want
  return partial ? Math.max(0, Math.floor(level + nearly)) : 0
}
