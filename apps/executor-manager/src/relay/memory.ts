/** Passing what an agent asks of the memory on to the backend, under the run's lease. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { memoryCall } from '@tutti/contracts'
import { BackendError } from '../backend/error.ts'
import { answer } from './answer.ts'
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
  if (current === undefined || query.get('run_id') !== current.turn.run_id)
    return answer(response, 409, { error: 'The turn is over.' })
  if (current.memory === undefined)
    return answer(response, 403, { error: 'The memory is not switched on for this run.' })
  const body = await readBody(incoming, largest)
  if (body === undefined) return answer(response, 413, { error: 'That is too long for a memory.' })
  const call = memoryCall.safeParse(parseJson(body))
  if (!call.success) {
    const [issue] = call.error.issues
    return answer(response, 400, { error: `${issue?.path.join('.') || 'the call'}: ${issue?.message ?? 'is none'}` })
  }
  try {
    answer(response, 200, await current.memory(call.data))
  } catch (error) {
    if (!(error instanceof BackendError)) return answer(response, 503, { error: 'The memory can’t be reached now.' })
    answer(response, error.status >= 400 && error.status < 500 ? error.status : 503, { error: error.message })
  }
}
