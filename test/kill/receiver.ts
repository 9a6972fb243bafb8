/** A receiver of webhooks that fails now and then, and remembers what it was sent. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  id: string
  jobId: string
  event: string
}

export interface Receiver {
  url: string
  /** Every try, also of those that it refused. */
  received: Received[]
  close(): Promise<void>
}

/** Every third delivery is refused the first time. */
export const startReceiver = async (): Promise<Receiver> => {
  const received: Received[] = []
  const known = new Set<string>()
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const part of request) text += part
    const id = String(request.headers['webhook-id'])
    const { job_id, event } = JSON.parse(text) as { job_id: string; event: string }
    received.push({ id, jobId: job_id, event })
    const refused = !known.has(id) && known.size % 3 === 0
    known.add(id)
    response.writeHead(refused ? 503 : 204, { connection: 'close' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
