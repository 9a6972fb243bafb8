import type { IncomingMessage } from 'node:http'

/** The whole body, or undefined when it is larger than allowed; rejects when the sender broke off. */
export const readBody = async (incoming: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> => {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return undefined
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  if (!incoming.complete) throw new Error('the request broke off')
  return Buffer.concat(chunks, size)
}

export const parseJson = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
