/** Which of several waiting workers get the tasks of a queue. Pure; ties go to whoever has waited longest, so that no hot spot forms. */
import type { Queue, Strategy } from '../job/needs.ts'
import type { Condition } from '../workers/capabilities.ts'

export interface Candidate {
  /** Neither loading nor starting anything is needed first. */
  warm: boolean
  /** null: it names none; then it counts as the dearest. */
  price: number | null
  /** Between 0 and 1. */
  reputation: number
  /** Tasks in its hands. */
  held: number
  /** Its place in the line: who has waited longer has the lower one. */
  place: number
}

/** The first `n` in the order of the strategy; an unknown strategy counts as the default. */
export const chooseWorkers = <T extends Candidate>(
  strategy: Strategy | (string & {}),
  candidates: readonly T[],
  n: number,
  overflowLimit: number,
): T[] => {
  const order = orders(overflowLimit)[strategy as Strategy] ?? warmThenCheapest
  return [...candidates].sort((a, b) => order(a, b) || a.place - b.place).slice(0, n)
}

/** Whether a task of this queue can start on the worker without loading anything. */
export const isWarm = ({ skill, needs }: Queue, { hotSkills, hotArtifacts, dependencies }: Condition): boolean => {
  const allHot = (names: string[]): boolean => names.length > 0 && names.every((name) => hotArtifacts.has(name))
  return (
    hotSkills.has(skill) ||
    allHot((needs.artifacts ?? []).map((artifact) => artifact.name)) ||
    allHot(Object.hasOwn(dependencies, skill) ? (dependencies[skill] ?? []) : [])
  )
}

type Order = (a: Candidate, b: Candidate) => number

const orders = (limit: number): Record<Strategy, Order> => ({
  default: warmThenCheapest,
  round_robin: () => 0,
  least_connections: byHeld,
  cheapest: byPrice,
  best_value: byValue,
  overflow: (a, b) =>
    Number(a.held >= limit) - Number(b.held >= limit) || (a.held >= limit ? byHeld(a, b) : byPrice(a, b)),
})

const byHeld: Order = (a, b) => a.held - b.held
const byPrice: Order = (a, b) => compare(priceOf(a), priceOf(b))
/** What is free is of the best value, whoever gives it; a worker without any reputation is of the worst. */
const byValue: Order = (a, b) => compare(valueFor(a), valueFor(b))
const warmThenCheapest: Order = (a, b) => Number(b.warm) - Number(a.warm) || byPrice(a, b) || byHeld(a, b)

const priceOf = ({ price }: Candidate): number => price ?? Number.POSITIVE_INFINITY
const valueFor = (candidate: Candidate): number =>
  candidate.reputation > 0 ? priceOf(candidate) / candidate.reputation : Number.POSITIVE_INFINITY

/** Infinity minus Infinity would be NaN, and the order anything. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)
