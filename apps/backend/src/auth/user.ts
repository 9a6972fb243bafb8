/**
 * Who is calling. There is one user; so the question is only whether the caller is that one. A valid token says so. Without
 * a token, only calls within the machine count, and only while the server listens to nobody else.
 */
import { isLoopback } from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BackendSettings } from '../settings.ts'
import { sameToken } from './token.ts'

type AuthSettings = Pick<BackendSettings, 'host' | 'clientToken'> & { corsOrigins?: readonly string[] }

/** What is wrong with a configuration that would leave everything open to the network; undefined when nothing is. */
export const accessFault = ({ host, clientToken }: AuthSettings): { what: string; remedy: string } | undefined => {
  if (clientToken === '') return { what: 'an empty CLIENT_TOKEN would let everybody in', remedy: 'Set one, or none.' }
  if (clientToken === null && !isLoopback(host))
    return {
      what: `HOST=${host} can be reached from other machines, and there is no log-in`,
      remedy: 'Set CLIENT_TOKEN, or HOST=127.0.0.1.',
    }
  return undefined
}

const decoration = 'tuttiIsUser'

/** For the log: who asked; undefined: nobody who has proved to be the user. */
export const userOf =
  (userId: string) =>
  (request: FastifyRequest): string | undefined =>
    Reflect.get(request, decoration) === true ? userId : undefined

/** Lets only the user in, before anything of the request is read. */
export const requireUser = (app: FastifyInstance, settings: AuthSettings): void => {
  app.decorateRequest(decoration, false)
  app.addHook('onRequest', async (request) => {
    authenticate(request, settings)
    request.setDecorator(decoration, true)
  })
}

const authenticate = (request: FastifyRequest, settings: AuthSettings): void => {
  const offered = tokenOf(request)
  if (offered !== undefined) {
    // A wrong token is never taken for none: its sender believes to be somebody.
    if (settings.clientToken !== null && sameToken(offered, settings.clientToken)) return
    throw new TuttiError('UNAUTHENTICATED', 'The token in Authorization: Bearer, or in X-Client-Token, is not valid')
  }
  if (isLoopback(settings.host) && isOwnName(request, settings.corsOrigins ?? [])) return
  throw new TuttiError('UNAUTHENTICATED', 'Send CLIENT_TOKEN in the header Authorization: Bearer, or in X-Client-Token')
}

const tokenOf = ({ headers }: FastifyRequest): string | undefined => {
  const own = headers['x-client-token']
  if (typeof own === 'string') return own
  return headers.authorization?.match(/^Bearer +(.+)$/i)?.[1] ?? headers.authorization
}

/**
 * Under another name a page of a stranger would be talking: its owner can have that name lead to 127.0.0.1 (DNS
 * rebinding), and the browser then takes page and backend for one site.
 */
const isOwnName = ({ headers }: FastifyRequest, corsOrigins: readonly string[]): boolean => {
  const name = URL.parse(`http://${headers.host ?? ''}`)?.hostname
  return name !== undefined && (isLoopback(name) || corsOrigins.some((origin) => URL.parse(origin)?.hostname === name))
}
