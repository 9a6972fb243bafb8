/** The worker protocol over HTTP: one request per function, no retries, no state. */
import {
  type ErrorCode,
  errorBody,
  type Heartbeat,
  type HeartbeatAnswer,
  heartbeatAnswer,
  type ProgressEvent,
  type Registered,
  type RegisterWorker,
  type ResultBatchAnswer,
  registered,
  resultBatchAnswer,
  retryAfterMs,
  type TaskFileDownload,
  type TaskFileOffer,
  type TaskFileUpload,
  type TaskFolderPage,
  type TaskPayload,
  taskBatch,
  taskFileDownload,
  taskFileUpload,
  taskFolderPage,
  type WorkerEvent,
} from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { createCredentials } from './credentials.ts'
import { errorMessage } from './log.ts'
import type { ServerClock } from './server-clock.ts'
import type { Sign } from './signing.ts'

/** An answer that isn't a success, or no answer at all (`status` 0). */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly status: number
  /** Of the error catalogue, when the answer is the orchestrator's own. */
  readonly code: ErrorCode | undefined
  readonly retryAfterMs: number | undefined

  constructor(
    status: number,
    message: string,
    details: { code?: ErrorCode | undefined; retryAfterMs?: number | undefined } = {},
  ) {
    super(message)
    this.status = status
    this.code = details.code
    this.retryAfterMs = details.retryAfterMs
  }
}

export interface Wire {
  /** The token that is shown at present. */
  token(): string
  register(body: RegisterWorker, signal: AbortSignal): Promise<Registered>
  heartbeat(body: Heartbeat, signal: AbortSignal): Promise<HeartbeatAnswer>
  /** @param skills of these only; undefined: of all */
  poll(max: number, skills: string[] | undefined, signal: AbortSignal): Promise<TaskPayload[]>
  /** `body` is a serialised ResultBatch: results are turned into JSON once, however often they are sent. */
  results(body: string, signal: AbortSignal): Promise<ResultBatchAnswer>
  progress(event: ProgressEvent, signal: AbortSignal): Promise<void>
  event(event: WorkerEvent, signal: AbortSignal): Promise<void>
  fileDownload(held: HeldTask, uri: string, signal: AbortSignal): Promise<TaskFileDownload>
  folder(held: HeldTask, uri: string, cursor: string | null, signal: AbortSignal): Promise<TaskFolderPage>
  fileUpload(
    held: HeldTask,
    file: { filename: string; size: number; sha256: string },
    signal: AbortSignal,
  ): Promise<TaskFileUpload>
}

/** A hand-out. */
export type HeldTask = Pick<TaskPayload, 'job_id' | 'task_id' | 'lease_token'>

export interface WireOptions {
  url: string
  token: string
  shortLivedTokens: boolean
  workerId: string
  fetch: typeof fetch
  clock: Clock
  serverClock: ServerClock
  pollSeconds: number
  /** Absent: messages go unsigned. */
  sign?: Sign | undefined
}

/** After this an unanswered request is given up: the peer may have vanished without closing the connection. */
const requestSeconds = 30
const pollGraceSeconds = 10

interface Request {
  method: string
  path: string
  body?: string
  seconds?: number
  signal: AbortSignal
}

export const createWire = (options: WireOptions): Wire => {
  const { url, workerId, fetch, clock, serverClock, pollSeconds } = options
  const base = `${url.replace(/\/+$/, '')}/_worker`

  const send = async (request: Request): Promise<unknown> => {
    const token = credentials.current()
    try {
      return await sendWith(token, request)
    } catch (error) {
      const refused = error instanceof WireError && error.status === 401
      if (!refused || !(await credentials.renew(token, request.signal))) throw error
      return await sendWith(credentials.current(), request)
    }
  }

  const sendWith = async (
    token: string,
    { method, path, body, seconds = requestSeconds, signal }: Request,
  ): Promise<unknown> => {
    const request = `${method} /_worker${path}`
    const aborting = new AbortController()
    const answered = new AbortController()
    const onAbort = () => aborting.abort(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    void clock.sleep(seconds * 1000, answered.signal).then(() => {
      if (!answered.signal.aborted) aborting.abort(new Error(`no answer within ${seconds} s`))
    })
    try {
      const response = await fetch(base + path, {
        method,
        headers: {
          'x-worker-token': token,
          'x-worker-id': workerId,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body ?? null,
        signal: aborting.signal,
      })
      // From here on the server believes that it has answered: dropping the body now would lose the tasks in it until
      // their leases end. So a drain that begins in this moment lets the body come.
      signal.removeEventListener('abort', onAbort)
      serverClock.observe(response.headers.get('date'))
      const text = await response.text()
      if (!response.ok) throw refusal(request, response, text, clock.now())
      return text === '' ? undefined : JSON.parse(text)
    } catch (error) {
      throw error instanceof WireError ? error : new WireError(0, `${request}: ${reason(error)}`)
    } finally {
      answered.abort()
      signal.removeEventListener('abort', onAbort)
    }
  }

  const credentials = createCredentials({
    token: options.token,
    shortLived: options.shortLivedTokens,
    post: (path, token, body, signal) =>
      sendWith(token, { method: 'POST', path, body: JSON.stringify(body), signal }).catch((error: unknown) => {
        // Refused: the caller goes on to what it has left. Anything else is no verdict on the token.
        if (error instanceof WireError && (error.status === 401 || error.status === 403)) return undefined
        throw error
      }),
  })

  const me = `/workers/${encodeURIComponent(workerId)}`
  // Signed anew each time it is sent: a signature is good for a minute.
  const written = (body: object): string => JSON.stringify(options.sign ? options.sign(body) : body)
  const post = (path: string, body: object, signal: AbortSignal) =>
    send({ method: 'POST', path, body: written(body), signal })
  return {
    token: credentials.current,
    register: async (body, signal) => registered.parse(await post('/workers/register', body, signal)),
    heartbeat: async (body, signal) =>
      heartbeatAnswer.parse(await send({ method: 'PATCH', path: me, body: written(body), signal })),
    poll: async (max, skills, signal) => {
      const only = skills ? `&skills=${encodeURIComponent(skills.join(','))}` : ''
      const path = `${me}/tasks/next?max=${max}&timeout=${pollSeconds}${only}`
      const answer = await send({ method: 'GET', path, seconds: pollSeconds + pollGraceSeconds, signal })
      return answer === undefined ? [] : taskBatch.parse(answer).tasks
    },
    results: async (body, signal) => {
      const text = options.sign ? written(JSON.parse(body)) : body
      return resultBatchAnswer.parse(await send({ method: 'POST', path: '/tasks/results', body: text, signal }))
    },
    progress: async (event, signal) => void (await post('/events', event, signal)),
    event: async (event, signal) => void (await post('/events', { worker_id: workerId, ...event }, signal)),
    fileDownload: async (held, uri, signal) =>
      taskFileDownload.parse(await send({ method: 'GET', path: filesOf(held, '/download', { uri }), signal })),
    folder: async (held, uri, cursor, signal) =>
      taskFolderPage.parse(
        await send({ method: 'GET', path: filesOf(held, '', { uri, ...(cursor === null ? {} : { cursor }) }), signal }),
      ),
    fileUpload: async ({ job_id, task_id, lease_token }, file, signal) => {
      const offer: TaskFileOffer = { job_id, lease_token, worker_id: workerId, ...file }
      return taskFileUpload.parse(await post(`/tasks/${encodeURIComponent(task_id)}/files/upload`, offer, signal))
    },
  }
}

const filesOf = ({ job_id, task_id, lease_token }: HeldTask, path: string, query: Record<string, string>): string =>
  `/tasks/${encodeURIComponent(task_id)}/files${path}?${new URLSearchParams({ job_id, lease_token, ...query })}`

const refusal = (request: string, response: Response, text: string, now: number): WireError => {
  const known = errorBody.safeParse(parseJson(text))
  const said = known.success ? `${known.data.error} (${known.data.code}; ${known.data.hint})` : text.slice(0, 200)
  return new WireError(response.status, `${request} answered ${response.status}: ${said}`, {
    code: known.data?.code,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after'), now),
  })
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** fetch says only "fetch failed"; why is in the cause. */
const reason = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error
    ? `${error.message}: ${error.cause.message || error.cause.name}`
    : errorMessage(error)
