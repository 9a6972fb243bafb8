/** Short-lived tokens: a worker signs in once with what it has, and from then on its own token stays at home. */
import { issuedTokens, refreshTokens, TuttiError } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { namedCallerOf, requireWorkerInBody } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import type { WorkerRouteDeps } from './index.ts'

const tags = ['worker protocol']

export const tokenRoutes = ({ tokens, identify, settings }: WorkerRouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    // Where only certificates count, a token would open nothing.
    if (settings.workerAuthMode === 'mtls-only') return

    app.post(
      '/auth/token',
      {
        schema: {
          tags,
          summary: 'Sign in: get short-lived tokens',
          description:
            'The worker is named in X-Worker-ID or in the body as `worker_id`, or by its client certificate.',
          response: { 200: issuedTokens, ...failures('INVALID_BODY', 'UNAUTHENTICATED') },
        },
        preValidation: requireWorkerInBody(identify, 401),
      },
      async (request) => {
        const { worker, by, proof } = namedCallerOf(request)
        // Else one stolen access token would last for ever.
        if (by === 'access_token')
          throw new TuttiError('UNAUTHENTICATED', 'Unauthorized: Sign in with your own token, or refresh this one')
        return tokens.issue(worker, proof)
      },
    )

    app.post(
      '/auth/token/refresh',
      {
        schema: {
          tags,
          // Who it is says the refresh token itself.
          security: [],
          summary: 'Get the next tokens',
          description: 'The refresh token is used up by it. X-Worker-ID, where sent, must be its worker.',
          body: refreshTokens,
          response: { 200: issuedTokens, ...failures('INVALID_BODY', 'UNAUTHENTICATED') },
        },
      },
      async (request) => {
        const header = request.headers['x-worker-id']
        return tokens.refresh(request.body.refresh_token, typeof header === 'string' ? header : undefined)
      },
    )
  }
}
