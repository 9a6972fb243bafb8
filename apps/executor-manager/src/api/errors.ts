/** The one place where errors of the manager's own API become answers, in the form of the backend's. */
import { TuttiError } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'

export const answerErrors = (app: FastifyInstance, log: Logger): void => {
  app.setErrorHandler((error: FastifyError | TuttiError, request, reply) => {
    const known = asKnown(error)
    if (known.status >= 500) log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    const { hint, retryable, path } = known.body()
    const data = { code: known.code, hint, retryable, ...(path === undefined ? {} : { path }) }
    return reply.code(known.status).send({ code: known.status * 100, message: known.message, data })
  })
  app.setNotFoundHandler((request) => {
    throw notFound(request)
  })
}

export const notFound = ({ method, url }: Pick<FastifyRequest, 'method' | 'url'>): TuttiError =>
  new TuttiError('NOT_FOUND', `There is no ${method} ${url.split('?')[0]}`)

const asKnown = (error: FastifyError | TuttiError): TuttiError => {
  if (error instanceof TuttiError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new TuttiError('PAYLOAD_TOO_LARGE', 'The request body is too large', { path: 'body' })
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new TuttiError('INVALID_BODY', error.message, { path: 'body' })
  return new TuttiError('INTERNAL', 'Internal error; see the log')
}
