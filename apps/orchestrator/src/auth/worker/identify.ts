/**
 * The order of credentials: client certificate, access token, the worker's own token, the global token. A worker with a token of its
 * own is never let in by the global one: whoever holds that could otherwise take the work of any worker.
 */
import { hashToken, type WorkerDirectory } from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import type { FastifyRequest } from 'fastify'
import { certificateName } from './certificate.ts'
import { isAccessToken, type WorkerTokens } from './tokens.ts'

/** `mixed`: a certificate or a token. The other modes take one kind only. */
export type WorkerAuthMode = 'mixed' | 'mtls-only' | 'token-only'

export interface Caller {
  worker: string
  /** By what it was known; access tokens can't be traded for further ones. */
  by: 'certificate' | 'access_token' | 'token'
  /** SHA-256 of the token it was known by, so that what is derived from it can end with it; null: a certificate. */
  proof: string | null
}

/** Null where the global token came without an id. @throws TuttiError UNAUTHENTICATED, WORKER_MISMATCH */
export type Identify = (
  request: FastifyRequest,
  claim: { named: string | undefined; strangers: 401 | 403 },
) => Promise<Caller | null>

export interface IdentifyDeps {
  workers: Pick<WorkerDirectory, 'authenticate'>
  tokens: Pick<WorkerTokens, 'find'>
  mode: WorkerAuthMode
}

export const createIdentify = ({ workers, tokens, mode }: IdentifyDeps): Identify => {
  /** No worker has the empty id, so only the global token is good for it. */
  const isGlobal = (token: string): boolean => workers.authenticate('', token) === 'accepted'

  const byToken = (token: string, named: string | undefined, strangers: 401 | 403): Caller | null => {
    if (named === undefined) {
      if (isGlobal(token)) return null
      throw unauthenticated('Unauthorized: Invalid token or missing worker_id')
    }
    const verdict = workers.authenticate(named, token)
    if (verdict === 'refused') throw unauthenticated('Unauthorized: No valid token found')
    if (verdict === 'mismatch') {
      if (strangers === 401 || isGlobal(token)) throw unauthenticated('Unauthorized: Invalid individual worker token')
      throw new TuttiError('WORKER_MISMATCH', `Forbidden: This token belongs to another worker than '${named}'.`)
    }
    return { worker: named, by: 'token', proof: hashToken(token) }
  }

  return async (request, { named, strangers }) => {
    const certified = mode === 'token-only' ? undefined : certificateName(request.raw.socket)
    if (certified !== undefined) return own({ worker: certified, by: 'certificate', proof: null }, named, 'certificate')
    if (mode === 'mtls-only') throw unauthenticated('Unauthorized: A client certificate is required')
    const token = request.headers['x-worker-token']
    if (typeof token !== 'string') throw unauthenticated('Missing X-Worker-Token header')
    if (!isAccessToken(token)) return byToken(token, named, strangers)
    const found = await tokens.find(token)
    if (!found) throw unauthenticated('Unauthorized: The access token has ended; refresh it')
    return own({ worker: found.worker, by: 'access_token', proof: found.proof }, named, 'access token')
  }
}

/** These credentials say by themselves whose they are. */
const own = (caller: Caller, named: string | undefined, credential: string): Caller => {
  if (named === undefined || named === caller.worker) return caller
  throw new TuttiError('WORKER_MISMATCH', `Forbidden: This ${credential} belongs to another worker than '${named}'.`)
}

const unauthenticated = (message: string): TuttiError => new TuttiError('UNAUTHENTICATED', message)
