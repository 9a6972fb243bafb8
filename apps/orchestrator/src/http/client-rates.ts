/**
 * How often a client may ask: counted per client, not per address, so that clients behind one gateway don't starve each other. Operators
 * are not limited: they are who is called when something runs wild. In this process's memory: with n instances it is n times as much.
 */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { clientOf } from '../auth/client.ts'
import { createTokenBuckets, type Rate } from './token-bucket.ts'

/** Refuses a request whose client has asked too often. */
export type ClientLimit = (request: FastifyRequest, reply: FastifyReply) => void

/** One for the whole server: a client that is counted anew below each prefix may ask twice as often. @param standard for clients without a rate of their own; null: none */
export const createClientLimit = (standard: Rate | null, now: () => number): ClientLimit => {
  const rates = new Map<string, Rate>()
  const clients = createTokenBuckets((client) => rates.get(client) ?? unlimited, now)

  return (request, reply) => {
    const client = clientOf(request)
    const rate = client.rateLimit ?? (client.role === 'client' ? standard : null)
    if (!rate) return
    rates.set(client.id, rate)
    refuse(reply, clients.take(client.id))
  }
}

/** To be called after `requireClient`, in the same scope. */
export const limitClients = (app: FastifyInstance, limit: ClientLimit): void => {
  app.addHook('preParsing', async (request, reply) => limit(request, reply))
}

const unlimited: Rate = { count: Number.MAX_SAFE_INTEGER, perMs: 1 }

/** @throws TuttiError TOO_MANY_REQUESTS */
const refuse = (reply: FastifyReply, waitMs: number): void => {
  if (waitMs === 0) return
  reply.header('retry-after', Math.ceil(waitMs / 1000))
  throw new TuttiError('TOO_MANY_REQUESTS', 'Too Many Requests')
}
