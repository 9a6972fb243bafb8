import type { ObjectBody } from './port.ts'

/** The bytes of a body, as they come. */
export async function* chunksOf(body: ObjectBody): AsyncIterable<Uint8Array> {
  if (typeof body === 'string') yield Buffer.from(body)
  else if (body instanceof Uint8Array) yield body
  else for await (const chunk of body) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
