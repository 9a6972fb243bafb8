/** Checking the signatures of messages on their way in. */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { callerOf } from '../auth/worker/index.ts'
import type { Signatures } from '../auth/worker/signature.ts'

const decoration = 'tuttiSeenBefore'

export const rememberSignatures = (app: FastifyInstance): void => {
  app.decorateRequest(decoration, false)
}

/**
 * A hook for routes with a body, before the body is changed in any way.
 * @param again what becomes of a message that comes again. `refuse`: its effect would come twice. `tell`: the route knows what to do,
 *   and asks with `seenBefore`. Workers do send the same twice: two signs of life within one second are the same text.
 */
export const signed =
  (signatures: Signatures, again: 'refuse' | 'tell') =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { body } = request
    const caller = callerOf(request)
    const verdict = caller ? signatures.check(caller, body) : 'unsigned'
    if (verdict === 'again') {
      if (again === 'refuse') throw new TuttiError('INVALID_SIGNATURE', 'This message has been here before')
      request.setDecorator(decoration, true)
    }
    if (verdict === 'fresh')
      reply.raw.once('close', () => {
        // What failed here, or was never answered, is sent again as it is: that must not be taken for a replay.
        if (!reply.raw.writableFinished || reply.raw.statusCode >= 400) signatures.forget(body)
      })
  }

export const seenBefore = (request: FastifyRequest): boolean => request.getDecorator<boolean>(decoration)
