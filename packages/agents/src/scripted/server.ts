/**
 * A model provider on this machine: it speaks the Anthropic Messages API and plays scenarios, so that the real agent
 * runtime, its tools and its sandbox do real work without a key and without a network. It is not an AI model and says so.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { reply } from './brain.ts'
import { type MessagesRequest, parseRequest } from './messages.ts'
import { messageEvents, wholeMessage } from './stream.ts'
import { inputTokens } from './usage.ts'

/** One line per request, without a word of what was said. */
export interface ScriptedRequest {
  method: string
  path: string
  status: number
  model?: string
  scenario?: string
}

export interface ScriptedModelOptions {
  /** The key that callers must present, as `x-api-key` or as a bearer token. */
  key: string
  log?: (request: ScriptedRequest) => void
  /** Called with every conversation that is sent, whole. It holds what was said: never for a log. */
  asked?: (body: unknown) => void
  /** Default: a free port on loopback. */
  port?: number
  host?: string
}

export interface ScriptedModel {
  /** Where it listens: what ANTHROPIC_BASE_URL is set to. */
  url: string
  close(): Promise<void>
}

const largestBody = 32 * 1024 * 1024

const errorTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const readBody = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestBody) return undefined
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

const sendJson = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const sendError = (response: ServerResponse, status: number, message: string): void =>
  sendJson(response, status, { type: 'error', error: { type: errorTypes[status] ?? 'api_error', message } })

/** Starts the scripted model. */
export const createScriptedModel = async (options: ScriptedModelOptions): Promise<ScriptedModel> => {
  const expected = digest(options.key)
  const failed = new Set<string>()
  const closing = new AbortController()

  const authorized = (request: IncomingMessage): boolean => {
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    const presented = request.headers['x-api-key'] ?? bearer
    return typeof presented === 'string' && timingSafeEqual(digest(presented), expected)
  }

  const answer = async (request: MessagesRequest, response: ServerResponse): Promise<string> => {
    const answered = reply(request, (failure) => failed.has(failure))
    if (answered.delay_ms > 0) await setTimeout(answered.delay_ms, undefined, { signal: closing.signal })
    if (answered.kind === 'error') {
      failed.add(answered.failure)
      // Without this a client would wait out its own back-off, and a scenario with one hiccup would take seconds.
      response.setHeader('retry-after', '0')
      sendError(response, answered.status, 'The scenario asked for this failure.')
    } else if (request.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      for (const event of messageEvents(answered, request.model)) {
        if (response.destroyed) break
        response.write(event)
        // Lets each event leave on its own, as a real stream arrives: a client that needs whole answers fails here.
        await setImmediate()
      }
      response.end()
    } else {
      sendJson(response, 200, wholeMessage(answered, request.model))
    }
    return answered.scenario
  }

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<Partial<ScriptedRequest>> => {
    const path = (incoming.url ?? '/').split('?', 1)[0] ?? '/'
    const counts = path === '/v1/messages/count_tokens'
    if (incoming.method !== 'POST' || (path !== '/v1/messages' && !counts)) {
      sendError(response, 404, `There is nothing at ${incoming.method} ${path}.`)
      return {}
    }
    if (!authorized(incoming)) {
      sendError(response, 401, 'invalid x-api-key')
      return {}
    }
    const body = await readBody(incoming)
    if (!counts) options.asked?.(body)
    const request = parseRequest(body)
    if (typeof request === 'string') {
      sendError(response, 400, request)
      return {}
    }
    if (counts) {
      sendJson(response, 200, { input_tokens: inputTokens(request) })
      return { model: request.model }
    }
    return { model: request.model, scenario: await answer(request, response) }
  }

  const server = createServer((incoming, response) => {
    const log = (more: Partial<ScriptedRequest>): void =>
      options.log?.({
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        status: response.statusCode,
        ...more,
      })
    handle(incoming, response).then(log, () => {
      if (!response.headersSent) sendError(response, 500, 'The scripted model failed.')
      else response.destroy()
      log({ status: 500 })
    })
  })
  const host = options.host ?? '127.0.0.1'
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, host, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://${host}:${port}`,
    close: async () => {
      closing.abort()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
