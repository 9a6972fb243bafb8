/** The one place where errors become answers: the HTTP status says the kind, `data.code` exactly what, `data.hint` what to do. */
import { type ErrorCode, errorCatalogue, TuttiError } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { EventGapError } from '@tutti/workbench'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

interface Answer {
  status: number
  message: string
  data: { code: string; hint: string; retryable: boolean; path?: string; expected?: number }
}

export const answerErrors = (app: FastifyInstance, log: Logger): void => {
  app.setErrorHandler((error, request, reply) => {
    return send(reply, explain(error, request, log))
  })
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split('?')
    return send(reply, known(new TuttiError('NOT_FOUND', `There is no ${request.method} ${path?.slice(0, 200)}`)))
  })
}

/** What is answered to a request that met this error; what is our own fault is logged, and what was refused on purpose is none. */
export const explain = (error: unknown, request: FastifyRequest, log: Logger): Answer => {
  const answer = answerOf(error, request) ?? internal(request)
  const isRefusal = error instanceof TuttiError && refusals.has(error.code)
  if (answer.status >= 500 && !isRefusal)
    log.error({ err: error, request_id: request.id, route: request.routeOptions.url }, 'a request failed')
  return answer
}

/** What was not set up, or is about to end. Whoever noticed that a manager is away has logged why. */
const refusals: ReadonlySet<ErrorCode> = new Set(['MANAGER_UNAVAILABLE', 'SHUTTING_DOWN', 'FILES_NOT_ENABLED'])

/** Of an address that can't be read: it comes before any route, hook or error handler is found. */
export const answerUnroutable = (_error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void => {
  send(reply, known(new TuttiError('NOT_FOUND', 'There is nothing at this address')))
}

/** Also for faults that other packages found. */
export const send = (reply: FastifyReply, { status, message, data }: Answer): FastifyReply =>
  reply.code(status).send({ code: status * 100, message, data })

/** The form of a refusal where there is no request yet to answer. */
export const refusalBody = (error: TuttiError): object => {
  const { status, message, data } = known(error)
  return { code: status * 100, message, data }
}

const known = (error: TuttiError): Answer => {
  const { hint, retryable, path } = error.body()
  return {
    status: error.status,
    message: error.message,
    data: { code: error.code, hint, retryable, ...(path === undefined ? {} : { path }) },
  }
}

/** What went wrong inside is for the log only: it may hold addresses, queries or secrets. */
const internal = (request: FastifyRequest): Answer =>
  known(new TuttiError('INTERNAL', `Internal error; its id is ${request.id}`))

const answerOf = (error: unknown, { raw }: FastifyRequest): Answer | undefined => {
  if (error instanceof TuttiError) return known(error)
  if (error instanceof EventGapError)
    return {
      status: 409,
      message: error.message,
      data: {
        code: 'EVENT_GAP',
        hint: 'The run is still yours: send the events again, from `expected` on.',
        retryable: true,
        path: 'body.events',
        expected: error.expected,
      },
    }
  const { code, statusCode, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return known(new TuttiError('PAYLOAD_TOO_LARGE', 'The request body is too large', { path: 'body' }))
  // Whatever else the server's own machinery finds wrong with a request is the request's fault, not ours.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return known(new TuttiError('INVALID_BODY', message ?? 'Bad request', { path: 'body' }))
  // NUL, and half a surrogate pair: JSON can hold them, PostgreSQL's text can't. What agents print is cleaned before.
  if (code === '22021' || code === '22P05')
    return known(new TuttiError('INVALID_BODY', 'A text holds a character that can’t be stored', { path: 'body' }))
  // Its sender has gone, with half of it sent; nobody hears the answer. Else it would look like a database that hung up.
  if (code === 'ECONNRESET' && raw.readableAborted)
    return known(new TuttiError('REQUEST_TIMEOUT', 'The request did not come to its end'))
  return undefined
}

/** A fault that another package names in its own words. */
export const fault = (status: number, code: string, message: string): Answer => ({
  status,
  message,
  data: {
    code,
    hint: isKnown(code) ? errorCatalogue[code].hint : 'Ask for a new address and use it as it is.',
    retryable: false,
  },
})

const isKnown = (code: string): code is ErrorCode => Object.hasOwn(errorCatalogue, code)
