import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Exchange {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: unknown
  response: ServerResponse
  /** Answers with JSON. */
  json(status: number, body: unknown, headers?: Record<string, string>): void
  /** Breaks the connection. */
  drop(): void
}

export interface TestServer {
  url: string
  requests: Exchange[]
  close(): Promise<void>
}

/** A server whose answers the test writes. */
export const startServer = async (
  handle: (exchange: Exchange) => unknown,
  onSocket?: (socket: WebSocket, url: URL, headers: IncomingMessage['headers']) => void,
): Promise<TestServer> => {
  const requests: Exchange[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const url = new URL(request.url ?? '/', 'http://test')
    const exchange: Exchange = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
      response,
      json: (status, body, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(JSON.stringify(body))
      },
      drop: () => request.socket.destroy(),
    }
    requests.push(exchange)
    handle(exchange)
  })
  const webSockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://test')
    if (onSocket === undefined) return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
    webSockets.handleUpgrade(request, socket, head, (webSocket) => onSocket(webSocket, url, request.headers))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      for (const client of webSockets.clients) client.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
