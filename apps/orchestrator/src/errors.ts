/** The one place where errors become answers. Every error answer of every route is an `errorBody` of the contracts. */
import { type ErrorCode, errorBody, errorCatalogue, TuttiError } from '@tutti/contracts'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export const answerErrors = (app: FastifyInstance): void => {
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request) => {
    const [path] = request.url.split('?')
    throw new TuttiError('NOT_FOUND', `There is no ${request.method} ${path?.slice(0, 200)}`)
  })
}

/** Also for errors that come up before a route is found. */
export const answerError = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
  const known = asTuttiError(error)
  // 501 is no fault: it says what this installation has not got.
  if (known === undefined || (known.status >= 500 && known.status !== 501))
    request.log.error(
      { err: error, method: request.method, path: request.routeOptions?.url, ...jobOf(request) },
      'request failed',
    )
  // What went wrong inside is for the log only: it may hold addresses, queries or secrets.
  const answer = known ?? new TuttiError('INTERNAL', `Internal error; its id is ${request.id}`)
  if (answer.retryAt !== undefined) {
    const seconds = Math.ceil((answer.retryAt - Date.now()) / 1000)
    reply.header('retry-after', Math.max(seconds, 0))
  }
  void reply.code(answer.status).type('application/json; charset=utf-8').send(JSON.stringify(answer.body()))
}

/** The job and the task that a request is about, as far as it names them. */
const jobOf = ({ params, body, routeOptions }: FastifyRequest): { job_id?: string; task_id?: string } => {
  const { id } = (params ?? {}) as { id?: unknown }
  const { job_id, task_id } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const job = routeOptions?.url?.includes('/jobs/:id') ? id : job_id
  return {
    ...(typeof job === 'string' ? { job_id: job } : {}),
    ...(typeof task_id === 'string' ? { task_id } : {}),
  }
}

const asTuttiError = (error: unknown): TuttiError | undefined => {
  if (error instanceof TuttiError) return error
  const { code, statusCode, message } = error as Partial<FastifyError>
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new TuttiError('PAYLOAD_TOO_LARGE', 'The request body is too large', { path: 'body' })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new TuttiError('INVALID_BODY', 'The request body is not as long as its Content-Length says', {
        path: 'body',
      })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new TuttiError('INVALID_BODY', 'Content-Type is not a media type', { path: 'header.content-type' })
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new TuttiError('NOT_FOUND', 'There is nothing at this address')
  }
  // Whatever else the server's own machinery finds wrong with a request is the request's fault, not ours.
  if (code?.startsWith('FST_') && statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new TuttiError('INVALID_BODY', message ?? 'Bad request')
  return undefined
}

/** Error answers of a route, for its schema. */
export const failures = (...codes: ErrorCode[]): Record<number, typeof errorBody> =>
  Object.fromEntries(codes.map((code) => [errorCatalogue[code].status, errorBody]))
