/** What everybody may ask: whether the server is there, and what it offers. */
import { TuttiError } from '@tutti/contracts'
import { documentPages, type Endpoint } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'

const tags = ['public']
const open = { security: [] }
const storePatienceMs = 2_000

export const publicRoutes = ({ engine, settings }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/status',
      {
        exposeHeadRoute: true,
        schema: {
          tags,
          ...open,
          operationId: 'readStatus',
          summary: 'Is the process alive?',
          response: { 200: z.object({ status: z.literal('ok') }) },
        },
      },
      async () => ({ status: 'ok' as const }),
    )

    app.get(
      '/health',
      {
        exposeHeadRoute: true,
        schema: {
          tags,
          ...open,
          operationId: 'readHealth',
          summary: 'Can it do its work?',
          response: {
            200: z.object({ status: z.literal('ok'), store: z.literal('ok') }),
            ...failures('STORE_UNAVAILABLE'),
          },
        },
      },
      async () => {
        try {
          await within(storePatienceMs, engine.worker('health-check'))
        } catch (error) {
          // Whoever asks learns that, and the log learns why: the text may hold the database's address.
          throw new TuttiError('STORE_UNAVAILABLE', 'The store does not answer', { cause: error })
        }
        return { status: 'ok' as const, store: 'ok' as const }
      },
    )

    documentPages(app, () =>
      engine.blueprints.list().flatMap(({ name, version, endpoint, input }): Endpoint[] => {
        if (endpoint === null) return []
        const path = [settings.clientApiPrefix, 'v1', endpoint.replace(/^\/+/, '')].filter(Boolean).join('/')
        return [{ blueprint: name, version, path: `/${path}`, inputSchema: input?.jsonSchema ?? null }]
      }),
    )
  }
}

const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
