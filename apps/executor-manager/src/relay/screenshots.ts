/** Taking a picture of the turn's browser. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Assignment } from './assignment.ts'
import { readBody } from './body.ts'

/** A full page in colour has a few hundred kilobytes. */
const largest = 5 * 1024 * 1024

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** It becomes part of a key in object storage. */
const toolUseId = /^[A-Za-z0-9_-]{1,128}$/

export const takeScreenshot = async (
  incoming: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  current: Assignment | undefined,
): Promise<void> => {
  const answer = (status: number, body: object): void => {
    // An unread body would be taken for the next request on this connection.
    if (status >= 400) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (current === undefined || query.get('run_id') !== current.turn.run_id) {
    return answer(409, { error: 'the attempt was replaced' })
  }
  const id = query.get('tool_use_id') ?? ''
  if (!toolUseId.test(id)) return answer(400, { error: 'tool_use_id is no id' })
  if (current.screenshot === undefined) return answer(404, { error: 'pictures are not kept here' })
  const png = await readBody(incoming, largest)
  if (png === undefined) return answer(413, { error: 'the picture is larger than 5 MB' })
  if (!png.subarray(0, signature.length).equals(signature)) return answer(415, { error: 'this is no PNG' })
  answer(200, { key: await current.screenshot(id, png) })
}
