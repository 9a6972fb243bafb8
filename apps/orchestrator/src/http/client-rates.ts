/**
 * How often a client may ask: counted per client, not per address, so that clients behind one gateway don't starve each other. Operators
 * are not limited: they are who is called when something runs wild. In this process's memory: with n instances it is n times as much.
 */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { clientOf } from '../auth/client.ts'
import { createTokenBuckets, type Rate } from './token-bucket.ts'

/** To be called after `requireClient`, in the same scope. @param standard for clients without a rate of their own; null: none */
export const limitClients = (app: FastifyInstance, standard: Rate | null, now: () => number): void => {
  const rates = new Map<string, Rate>()
  const clients = createTokenBuckets((client) => rates.get(client) ?? unlimited, now)

  app.addHook('preParsing', async (request, reply) => {
    const client = clientOf(request)
    const rate = client.rateLimit ?? (client.role === 'client' ? standard : null)
    if (!rate) return
    rates.set(client.id, rate)
    refuse(reply, clients.take(client.id))
  })
}

const unlimited: Rate = { count: Number.MAX_SAFE_INTEGER, perMs: 1 }

/** @throws TuttiError TOO_MANY_REQUESTS */
const refuse = (reply: FastifyReply, waitMs: number): void => {
  if (waitMs === 0) return
  reply.header('retry-after', Math.ceil(waitMs / 1000))
  throw new TuttiError('TOO_MANY_REQUESTS', 'Too Many Requests')
}
