/**
 * Who a worker is: an id, from the path, the body or a header, and a credential that is good for it. Checked for every route of the
 * worker protocol, before anything else is done.
 */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller, Identify } from './identify.ts'

export type { Caller, Identify } from './identify.ts'
export { createIdentify } from './identify.ts'

const decoration = 'tuttiWorker'

/** Routes of this scope with `:worker_id` in their path have the credential checked before the body is read. */
export const requireWorker = (app: FastifyInstance, identify: Identify): void => {
  app.decorateRequest(decoration, null)
  app.addHook('onRequest', async (request) => {
    const { worker_id: id } = request.params as { worker_id?: string }
    if (id !== undefined) request.setDecorator(decoration, await identify(request, { named: id, strangers: 401 }))
  })
}

/**
 * For routes that name the worker in the body, or in the header X-Worker-ID.
 * @param strangers what becomes of a token that belongs to another worker than the body says
 */
export const requireWorkerInBody = (identify: Identify, strangers: 401 | 403) => {
  return async (request: FastifyRequest): Promise<void> => {
    const named = bodyWorkerId(request.body)
    const header = request.headers['x-worker-id']
    const id = typeof header === 'string' && header !== '' ? header : named
    const caller = await identify(request, { named: id, strangers })
    if (caller && named !== undefined && named !== caller.worker)
      throw new TuttiError(
        'WORKER_MISMATCH',
        `Forbidden: Authenticated worker '${caller.worker}' cannot ${strangers === 403 ? 'submit results for' : 'act as'} another worker '${named}'.`,
        { path: 'body.worker_id' },
      )
    request.setDecorator(decoration, caller)
  }
}

/** Who sent the request; null where the global token came without an id. */
export const callerOf = (request: FastifyRequest): Caller | null => request.getDecorator<Caller | null>(decoration)

/** For the log: the worker's id; undefined on a request that none has sent, or none that is known. */
export const workerIdOf = (request: FastifyRequest): string | undefined =>
  (Reflect.get(request, decoration) as Caller | null | undefined)?.worker

/** @throws TuttiError INVALID_BODY when the request does not say which worker it comes from */
export const namedCallerOf = (request: FastifyRequest): Caller => {
  const caller = callerOf(request)
  if (caller === null)
    throw new TuttiError('INVALID_BODY', 'Missing required field: worker_id', { path: 'body.worker_id' })
  return caller
}

export const namedWorkerOf = (request: FastifyRequest): string => namedCallerOf(request).worker

const bodyWorkerId = (body: unknown): string | undefined => {
  if (typeof body !== 'object' || body === null || !('worker_id' in body)) return undefined
  return typeof body.worker_id === 'string' && body.worker_id !== '' ? body.worker_id : undefined
}
