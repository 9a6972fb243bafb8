/** Whether an answer to a hostile request is one that a stranger may get. */
import { errorBody, errorCatalogue } from '@tutti/contracts'
import type { Answered, Asked } from '../endpoints/call.ts'
import type { Server } from './processes.ts'

/** What only the inside knows: stacks, files, queries, the words of the database and of the machine. */
const inside =
  /\n\s+at |node_modules|file:\/\/\/|root:x:0|ECONN|ENOENT|EACCES|ENAMETOOLONG|violates|invalid input syntax|syntax error at|relation "|column "|invalid byte sequence|unsupported Unicode|undefined is not|Cannot read prop/

const leakOf = (text: string, secrets: readonly string[]): string | undefined =>
  secrets.find((secret) => text.includes(secret)) ?? inside.exec(text)?.[0]

/** @returns what is wrong with the answer; undefined: nothing */
export const faultOf = (
  asked: Asked,
  answer: Answered,
  secrets: readonly string[],
  refusals: Server['refusals'] = 'envelope',
): string | undefined => {
  const { status, text, headers } = answer
  const leak = leakOf(text + JSON.stringify(headers), secrets)
  if (leak !== undefined) return `it tells “${leak}”`
  // A manager is not configured: that is said, and is no fault.
  if (status >= 500 && !text.includes('"MANAGER_UNAVAILABLE"')) return `${status} is a fault of the server`
  if (status < 400 || asked.method === 'HEAD') return undefined
  const body = parsed(text)
  if (body === undefined) return 'the refusal is not JSON'
  return refusals === 'plain' ? faultOfPlain(status, body) : faultOfEnvelope(status, body)
}

const faultOfEnvelope = (status: number, body: unknown): string | undefined => {
  const { code, message, data } = body as { code?: unknown; message?: unknown; data?: Record<string, unknown> }
  if (code !== status * 100) return `its code is ${code}`
  if (typeof message !== 'string' || message.length > 1_000) return 'its message is none, or without end'
  if (typeof data?.code !== 'string' || !/^[A-Z_]+$/.test(data.code)) return 'it has no stable code'
  if (typeof data.hint !== 'string') return 'it has no hint'
  return unplaced(data.code, data.path)
}

const faultOfPlain = (status: number, body: unknown): string | undefined => {
  const read = errorBody.safeParse(body)
  if (!read.success) return `it is no refusal of ours: ${read.error.issues[0]?.message}`
  const { code, error, path } = read.data
  if (errorCatalogue[code].status !== status) return `${code} has another status than ${status}`
  if (error.length > 1_000) return 'its message is without end'
  return unplaced(code, path)
}

const unplaced = (code: string, path: unknown): string | undefined =>
  ['INVALID_BODY', 'INVALID_QUERY', 'PAYLOAD_TOO_LARGE'].includes(code) &&
  (typeof path !== 'string' || !/^(body|query|header|path)/.test(path))
    ? `it does not say where the fault is: ${path}`
    : undefined

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
