import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance } from 'fastify'
import { sameToken } from './token.ts'

/** Lets only executor managers in, before anything of the request is read. */
export const requireManager = (app: FastifyInstance, internalToken: string): void => {
  app.addHook('onRequest', async (request) => {
    const offered = request.headers['x-internal-token']
    if (typeof offered !== 'string' || !sameToken(offered, internalToken))
      throw new TuttiError('FORBIDDEN', 'The header X-Internal-Token must hold INTERNAL_API_TOKEN')
  })
}
