import type { ObjectStore } from '../port.ts'
import type { PresignVerdict } from '../presign.ts'
import { receiveObject } from './receive-object.ts'
import { faultResponse, type ObjectRequest, type ObjectResponse } from './response.ts'
import { serveObject } from './serve-object.ts'

export interface ObjectRequestDeps {
  store: Pick<ObjectStore, 'get' | 'head' | 'put'>
  verifyPresigned: (url: string, method: string) => PresignVerdict
  /** The largest body of a presigned PUT. */
  maxUploadBytes: number
}

/**
 * What the route behind presigned addresses does, for any HTTP server: the signature is checked before anything is
 * looked up, so an address that nobody signed does not even learn whether the file exists.
 */
export async function handleObjectRequest(deps: ObjectRequestDeps, request: ObjectRequest): Promise<ObjectResponse> {
  if (!['GET', 'HEAD', 'PUT'].includes(request.method)) {
    return faultResponse('METHOD_NOT_ALLOWED', 'A presigned address takes GET, HEAD or PUT', {
      allow: 'GET, HEAD, PUT',
    })
  }
  const { presigned, refusal } = deps.verifyPresigned(request.url, request.method)
  if (refusal === 'EXPIRED') return faultResponse('LINK_EXPIRED', 'This address has expired; ask for a new one')
  if (refusal) return faultResponse('FORBIDDEN', 'This address was not signed for this request')
  if (request.method === 'PUT') return receiveObject(deps.store, presigned.key, request, deps.maxUploadBytes)
  return serveObject(deps.store, presigned, request)
}
