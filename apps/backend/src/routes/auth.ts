/** Who is using this: one user, who needs no log-in beyond the token that the operator may have set. */
import { authConfig, currentUser, envelope, loggedOut } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const tags = ['auth']
const providers = ['google', 'github', 'feishu'].map((name) => ({ name, enabled: false }))

/** What a page must know before anybody has logged in; nothing of it is secret. */
export const publicAuthRoutes = (): FastifyPluginAsyncZod => {
  const told = ok({
    ...{ mode: 'single_user' as const, login_required: false, single_user_effective: true, setup_required: false },
    ...{ configured_providers: [], providers },
  })
  return async (app) => {
    app.get(
      '/auth/config',
      {
        schema: {
          ...{ tags, security: [], operationId: 'getAuthConfig', summary: 'Tell how users log in' },
          response: { 200: envelope(authConfig) },
        },
      },
      async () => told,
    )
  }
}

export const authRoutes = ({ config }: RouteDeps): FastifyPluginAsyncZod => {
  const me = ok({ id: config.userId, email: null, display_name: config.userId, avatar_url: null, created_at: null })
  return async (app) => {
    app.get(
      '/auth/me',
      {
        schema: {
          ...{ tags, operationId: 'getCurrentUser', summary: 'Tell who is calling' },
          response: { 200: envelope(currentUser) },
        },
      },
      async () => me,
    )

    // There is no session of a browser to end: the token is the operator's.
    app.post(
      '/auth/logout',
      {
        schema: {
          ...{ tags, operationId: 'logOut', summary: 'End the session of this browser' },
          response: { 200: envelope(loggedOut) },
        },
      },
      async () => ok({ ok: true as const }),
    )
  }
}
