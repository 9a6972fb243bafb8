/** The one place where errors of the manager's own API become answers, in the form of the backend's. */
import { TuttiError } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export const answerErrors = (app: FastifyInstance, log: Logger): void => {
  app.setErrorHandler((error: FastifyError | TuttiError, request, reply) => {
    const known = asKnown(error)
    if (known.status >= 500) log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    return reply.code(known.status).send(refusalBody(known))
  })
  app.setNotFoundHandler((request) => {
    throw notFound(request)
  })
}

/** Of an address that can't be read: it comes before any route, hook or error handler is found. */
export const answerUnroutable = (_error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void => {
  reply.code(404).send(refusalBody(new TuttiError('NOT_FOUND', 'There is nothing at this address')))
}

export const refusalBody = (error: TuttiError): object => {
  const { hint, retryable, path } = error.body()
  const data = { code: error.code, hint, retryable, ...(path === undefined ? {} : { path }) }
  return { code: error.status * 100, message: error.message, data }
}

export const notFound = ({ method, url }: Pick<FastifyRequest, 'method' | 'url'>): TuttiError =>
  new TuttiError('NOT_FOUND', `There is no ${method} ${url.split('?')[0]?.slice(0, 200)}`)

const asKnown = (error: FastifyError | TuttiError): TuttiError => {
  if (error instanceof TuttiError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new TuttiError('PAYLOAD_TOO_LARGE', 'The request body is too large', { path: 'body' })
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new TuttiError('INVALID_BODY', error.message, { path: 'body' })
  return new TuttiError('INTERNAL', 'Internal error; see the log')
}
