/** Who a client is: by token, in any of the three headers that clients of three generations send. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Client, ClientDirectory } from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const decoration = 'tuttiClient'

/** Every route of this scope wants a client's token. */
export const requireClient = (app: FastifyInstance, clients: ClientDirectory): void => {
  app.decorateRequest(decoration, null)
  app.addHook('onRequest', async (request) => {
    const token = clientToken(request.headers)
    if (token === undefined) throw new TuttiError('UNAUTHENTICATED', 'Missing X-Client-Token header')
    const client = clients.authenticate(token)
    if (client === null) throw new TuttiError('UNAUTHENTICATED', 'Unauthorized: Invalid token')
    request.setDecorator(decoration, client)
  })
}

export const clientOf = (request: FastifyRequest): Client => request.getDecorator<Client>(decoration)

/** For the log: the client's id; undefined on a request that none has sent, or none that is known. */
export const clientIdOf = (request: FastifyRequest): string | undefined =>
  (Reflect.get(request, decoration) as Client | null | undefined)?.id

/** @throws TuttiError FORBIDDEN */
export const requireOperator = (client: Client): void => {
  if (client.role === 'client') throw new TuttiError('FORBIDDEN', 'This needs a token with the role operator')
}

const clientToken = (headers: IncomingHttpHeaders): string | undefined => {
  const own = headers['x-avtomatika-token'] ?? headers['x-client-token']
  if (typeof own === 'string') return own
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
}
