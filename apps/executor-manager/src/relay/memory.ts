/** Passing what an agent asks of the memory on to the backend, under the run's lease. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { memoryCall } from '@tutti/contracts'
import { BackendError } from '../backend/error.ts'
import type { Assignment } from './assignment.ts'
import { parseJson, readBody } from './body.ts'

/** A memory has at most 8000 characters, each of up to six bytes in JSON. */
const largest = 64 * 1024

export const askMemory = async (
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
  if (current === undefined || query.get('run_id') !== current.turn.run_id)
    return answer(409, { error: 'The turn is over.' })
  if (current.memory === undefined) return answer(403, { error: 'The memory is not switched on for this run.' })
  const body = await readBody(incoming, largest)
  if (body === undefined) return answer(413, { error: 'That is too long for a memory.' })
  const call = memoryCall.safeParse(parseJson(body))
  if (!call.success) {
    const [issue] = call.error.issues
    return answer(400, { error: `${issue?.path.join('.') || 'the call'}: ${issue?.message ?? 'is none'}` })
  }
  try {
    answer(200, await current.memory(call.data))
  } catch (error) {
    if (!(error instanceof BackendError)) return answer(503, { error: 'The memory can’t be reached now.' })
    answer(error.status >= 400 && error.status < 500 ? error.status : 503, { error: error.message })
  }
}
