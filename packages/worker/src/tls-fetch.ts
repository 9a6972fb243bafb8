/** `fetch` with a client certificate, which the one of the platform can't show. As much of it as the worker protocol needs. */
import { Agent, request } from 'node:https'

export interface ClientTls {
  /** All PEM. */
  ca?: string | undefined
  cert?: string | undefined
  key?: string | undefined
}

export const createTlsFetch = (tls: ClientTls): typeof fetch => {
  const agent = new Agent({ keepAlive: true, ...tls })
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const sent = request(String(input), {
        agent,
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(init.signal ? { signal: init.signal } : {}),
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode: status = 502 } = response
          const headers = Object.entries(response.headers).flatMap(([name, value]): [string, string][] =>
            value === undefined ? [] : [[name, String(value)]],
          )
          resolve(new Response(status === 204 ? null : Buffer.concat(parts), { status, headers }))
        })
      })
      sent.end(typeof init.body === 'string' ? init.body : undefined)
    })
}
