/** One POST to a stranger's server, which may be slow, endless, or not what it seems. */
import { request as http } from 'node:http'
import { request as https } from 'node:https'
import { guardedLookup, urlFault } from '@tutti/network'

export interface PostAnswer {
  status: number
  /** Seconds, from Retry-After; null when it says nothing. */
  retryAfter: number | null
}

export interface PostOptions {
  timeoutMs: number
  allowPrivate: boolean
}

/**
 * The answer's body is not read: nobody could do anything with it. Redirects are answers like any other, never followed: the receiver
 * was named by the client, and only the client may name another one.
 * @throws AddressRefused, or whatever the connection failed with
 */
export const post = (
  url: string,
  headers: Record<string, string>,
  body: string,
  { timeoutMs, allowPrivate }: PostOptions,
): Promise<PostAnswer> =>
  new Promise((resolve, reject) => {
    const fault = urlFault(url, allowPrivate)
    if (fault !== null) return reject(new Error(`the address ${fault}`))
    const target = new URL(url)
    const send = target.protocol === 'https:' ? https : http
    const signal = AbortSignal.timeout(timeoutMs)
    const request = send(
      target,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        lookup: guardedLookup(allowPrivate),
        // Its own connection: one kept open would be tied to an address that was checked long ago.
        agent: false,
        signal,
      },
      (response) => {
        resolve({ status: response.statusCode ?? 0, retryAfter: seconds(response.headers['retry-after']) })
        response.destroy()
      },
    )
    request.on('error', (error) =>
      reject(signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error }) : error),
    )
    request.end(body)
  })

const seconds = (header: string | undefined): number | null => {
  if (header === undefined) return null
  const value = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(value) && value >= 0 ? Math.min(value, 86_400) : null
}
