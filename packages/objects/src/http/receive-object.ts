import { Readable } from 'node:stream'
import { ObjectStoreError } from '../errors.ts'
import { hashHeader, type ObjectStore } from '../port.ts'
import { faultResponse, headerOf, type ObjectRequest, type ObjectResponse } from './response.ts'

/** Stores the body of a PUT, of at most `maxBytes`, under a key that somebody has decided the caller may write. */
export async function receiveObject(
  store: Pick<ObjectStore, 'put'>,
  key: string,
  request: ObjectRequest,
  maxBytes: number,
): Promise<ObjectResponse> {
  const tooLarge = faultResponse('PAYLOAD_TOO_LARGE', `The file may have at most ${maxBytes} bytes`)
  if (Number(headerOf(request, 'content-length') ?? 0) > maxBytes) return tooLarge
  const contentType = headerOf(request, 'content-type')
  const announced = headerOf(request, hashHeader)
  const body = Readable.from(limited(request.body ?? Readable.from([]), maxBytes), { objectMode: false })
  try {
    const { sha256 } = await store.put(key, body, {
      ...(contentType === undefined ? {} : { contentType }),
      ...(announced === undefined ? {} : { sha256: announced }),
    })
    return { status: 200, headers: { 'x-content-sha256': sha256 }, body: null, fault: null }
  } catch (error) {
    if (error instanceof TooLarge) return tooLarge
    if (!(error instanceof ObjectStoreError)) throw error
    if (error.code === 'NO_SPACE') return faultResponse('NO_SPACE', error.message)
    if (error.code === 'INVALID_OPTION' || error.code === 'INTEGRITY_MISMATCH')
      return faultResponse('INVALID_REQUEST', error.message)
    throw error
  }
}

class TooLarge extends Error {}

/** Counts what really arrives: a request may send more than it announces, or announce nothing. */
async function* limited(body: Readable, maxBytes: number): AsyncIterable<Uint8Array> {
  let size = 0
  // Destroying the body of a request closes its connection, and then no answer can be sent.
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const bytes: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    size += bytes.length
    if (size > maxBytes) throw new TooLarge()
    yield bytes
  }
}
