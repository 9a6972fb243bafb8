/**
 * How often a worker may ask, per worker and kind of message. Results have no limit: a refused one would be work thrown away. A poll
 * that brings a task costs nothing, so that the limit never holds up a worker that works.
 */
import { TuttiError } from '@tutti/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from '../auth/worker/index.ts'
import { createTokenBuckets, type TokenBuckets } from '../http/token-bucket.ts'

export type LimitedKind = 'poll' | 'heartbeat' | 'registration' | 'event'
/** Messages in a period. */
export interface WorkerRates extends Record<LimitedKind, number> {
  periodMs: number
}

export interface RateLimits {
  /** A hook for a route, after the caller is known. */
  limit(kind: LimitedKind): (request: FastifyRequest, reply: FastifyReply) => Promise<void>
  /** For what comes by the socket: false when there was too much of it. */
  allows(kind: LimitedKind, worker: string): boolean
  giveBack(kind: LimitedKind, worker: string): void
}

/** @param rates null: no limits */
export const createRateLimits = (rates: WorkerRates | null, now: () => number): RateLimits => {
  if (!rates) return { limit: () => async () => {}, allows: () => true, giveBack: () => {} }
  const { periodMs } = rates
  const bucketsOf = (limit: number): TokenBuckets => createTokenBuckets(() => ({ count: limit, perMs: periodMs }), now)
  const buckets: Record<LimitedKind, TokenBuckets> = {
    poll: bucketsOf(rates.poll),
    heartbeat: bucketsOf(rates.heartbeat),
    registration: bucketsOf(rates.registration),
    event: bucketsOf(rates.event),
  }
  return {
    limit: (kind) => async (request, reply) => {
      const caller = callerOf(request)
      const waitMs = caller ? buckets[kind].take(caller.worker) : 0
      if (waitMs === 0) return
      reply.header('retry-after', Math.ceil(waitMs / 1000))
      throw new TuttiError(
        'TOO_MANY_REQUESTS',
        `Too Many Requests: more than ${rates[kind]} of this kind in ${periodMs / 1000} s`,
      )
    },
    allows: (kind, worker) => buckets[kind].take(worker) === 0,
    giveBack: (kind, worker) => buckets[kind].giveBack(worker),
  }
}
