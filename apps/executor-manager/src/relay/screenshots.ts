/** Taking a picture of the turn's browser. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answer } from './answer.ts'
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
  if (current === undefined || query.get('run_id') !== current.turn.run_id) {
    return answer(response, 409, { error: 'the attempt was replaced' })
  }
  const id = query.get('tool_use_id') ?? ''
  if (!toolUseId.test(id)) return answer(response, 400, { error: 'tool_use_id is no id' })
  if (current.screenshot === undefined) return answer(response, 404, { error: 'pictures are not kept here' })
  const png = await readBody(incoming, largest)
  if (png === undefined) return answer(response, 413, { error: 'the picture is larger than 5 MB' })
  if (!png.subarray(0, signature.length).equals(signature)) return answer(response, 415, { error: 'this is no PNG' })
  answer(response, 200, { key: await current.screenshot(id, png) })
}
