/**
 * Who a worker is: an id, from the path or the body, and a token that is good for it. A worker with a token of its own is
 * never let in by the global one: whoever holds that could otherwise take the work of any worker.
 */
import type { WorkerDirectory } from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const decoration = 'tuttiWorker'

/** Every route of this scope wants a token; those with `:worker_id` in their path have it checked before the body is read. */
export const requireWorkerToken = (app: FastifyInstance, workers: WorkerDirectory): void => {
  app.decorateRequest(decoration, null)
  app.addHook('onRequest', async (request) => {
    const token = workerToken(request)
    const { worker_id: id } = request.params as { worker_id?: string }
    if (id === undefined) return
    const verdict = workers.authenticate(id, token)
    if (verdict === 'mismatch') throw invalidIndividualToken()
    if (verdict === 'refused') throw noValidToken()
    request.setDecorator(decoration, id)
  })
}

/**
 * For routes that name the worker in the body, or in the header X-Worker-ID. Without either, only the global token passes.
 * @param strangers what becomes of a token that belongs to another worker than the body says
 */
export const requireWorkerInBody = (workers: WorkerDirectory, strangers: 'unauthenticated' | 'forbidden') => {
  return async (request: FastifyRequest): Promise<void> => {
    const token = workerToken(request)
    const header = request.headers['x-worker-id']
    const named = bodyWorkerId(request.body)
    const id = typeof header === 'string' ? header : named
    if (id === undefined) {
      if (isGlobal(workers, token)) return
      throw new TuttiError('UNAUTHENTICATED', 'Unauthorized: Invalid token or missing worker_id')
    }
    const verdict = workers.authenticate(id, token)
    if (verdict === 'refused') throw noValidToken()
    if (verdict === 'mismatch') {
      if (strangers === 'unauthenticated' || isGlobal(workers, token)) throw invalidIndividualToken()
      throw new TuttiError('WORKER_MISMATCH', `Forbidden: This token belongs to another worker than '${id}'.`)
    }
    if (named !== undefined && named !== id)
      throw new TuttiError(
        'WORKER_MISMATCH',
        `Forbidden: Authenticated worker '${id}' cannot ${strangers === 'forbidden' ? 'submit results for' : 'act as'} another worker '${named}'.`,
        { path: 'body.worker_id' },
      )
    request.setDecorator(decoration, id)
  }
}

/** The worker that sent the request; null where the global token came without an id. */
const workerOf = (request: FastifyRequest): string | null => request.getDecorator<string | null>(decoration)

/** @throws TuttiError INVALID_BODY when the request does not say which worker it comes from */
export const namedWorkerOf = (request: FastifyRequest): string => {
  const worker = workerOf(request)
  if (worker === null)
    throw new TuttiError('INVALID_BODY', 'Missing required field: worker_id', { path: 'body.worker_id' })
  return worker
}

const workerToken = (request: FastifyRequest): string => {
  const token = request.headers['x-worker-token']
  if (typeof token !== 'string') throw new TuttiError('UNAUTHENTICATED', 'Missing X-Worker-Token header')
  return token
}

/** No worker has the empty id, so only the global token is good for it. */
const isGlobal = (workers: WorkerDirectory, token: string): boolean => workers.authenticate('', token) === 'accepted'

const bodyWorkerId = (body: unknown): string | undefined => {
  if (typeof body !== 'object' || body === null || !('worker_id' in body)) return undefined
  return typeof body.worker_id === 'string' && body.worker_id !== '' ? body.worker_id : undefined
}

const invalidIndividualToken = (): TuttiError =>
  new TuttiError('UNAUTHENTICATED', 'Unauthorized: Invalid individual worker token')
const noValidToken = (): TuttiError => new TuttiError('UNAUTHENTICATED', 'Unauthorized: No valid token found')
