import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'

/** Between two hops only (RFC 9110, 7.6.1). */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Who asks, and from where, is for this side to say. */
const decidedHere = [
  'accept-encoding',
  'authorization',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'via',
  'x-api-key',
]

const without = (headers: IncomingHttpHeaders, names: readonly string[]): OutgoingHttpHeaders => {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())
  const dropped = new Set([...hopByHop, ...names, ...named])
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !dropped.has(name) && !name.startsWith('x-forwarded-')),
  )
}

/** Of a request from the sandbox: what the provider may see of it. */
export const headersForProvider = (headers: IncomingHttpHeaders): OutgoingHttpHeaders => ({
  ...without(headers, decidedHere),
  // Packed, an answer could not be read for what it used.
  'accept-encoding': 'identity',
})

/** Of the provider's answer: what the sandbox may see of it. */
export const headersForSandbox = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  without(headers, ['set-cookie', 'set-cookie2', 'location'])
