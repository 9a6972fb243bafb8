import type { ServerResponse } from 'node:http'

/** Answers a sandbox with JSON. */
export const answer = (response: ServerResponse, status: number, body: object): void => {
  // An unread body would be taken for the next request on this connection.
  if (status >= 400) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
