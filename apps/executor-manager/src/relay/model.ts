/**
 * The agent's way to the model provider. The key is added here, outside every sandbox; the answer streams through as it
 * comes. Bodies and keys are never logged.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Logger } from '@tutti/telemetry'
import type { ModelAccess } from '../deps.ts'
import type { Assignment } from './assignment.ts'
import { readBody } from './body.ts'
import { headersForProvider, headersForSandbox } from './headers.ts'
import { type AllowedRequest, checkRequest, endpointOf } from './model-request.ts'
import { createStreamReader, createWholeReader, type Meter } from './usage.ts'

export interface ModelProxyOptions {
  model: ModelAccess
  allowedModels: readonly string[]
  modelBodyBytes: number
  modelParallel: number
  modelSilenceMs: number
  log: Logger
}

export type ModelProxy = (
  incoming: IncomingMessage,
  response: ServerResponse,
  url: URL,
  current: Pick<Assignment, 'turn' | 'meter'> | undefined,
) => Promise<void>

// Shared by all sandboxes: a new connection to the provider costs more than the first tokens of a small answer.
const agents = { 'http:': new HttpAgent({ keepAlive: true }), 'https:': new HttpsAgent({ keepAlive: true }) }

export const createModelProxy = (options: ModelProxyOptions): ModelProxy => {
  let open = 0

  const forward = async (
    incoming: IncomingMessage,
    response: ServerResponse,
    url: URL,
    { turn, meter }: Pick<Assignment, 'turn' | 'meter'>,
  ): Promise<void> => {
    const path = url.pathname.slice('/model'.length)
    const endpoint = endpointOf(incoming.method, path)
    if (endpoint === undefined) {
      return refuse(response, 404, 'not_found_error', 'The relay does not pass this on to the model provider.')
    }
    const body = await readBody(incoming, options.modelBodyBytes)
    if (body === undefined) return refuse(response, 413, 'request_too_large', 'The request is too large.')
    let asked: AllowedRequest = { model: undefined, stream: false }
    if (endpoint !== 'models') {
      const checked = checkRequest(body.toString('utf8'), turn.model, options.allowedModels)
      if ('status' in checked) return refuse(response, checked.status, checked.type, checked.message)
      asked = checked
    }
    await exchange(options, { incoming, response, body, path: `${path}${url.search}`, asked, meter })
  }

  return async (incoming, response, url, current) => {
    if (current === undefined) return refuse(response, 403, 'permission_error', 'No turn is being run here.')
    if (open >= options.modelParallel) {
      response.setHeader('retry-after', '1')
      return refuse(response, 429, 'rate_limit_error', 'Too many requests at a time from this sandbox.')
    }
    open += 1
    try {
      await forward(incoming, response, url, current)
    } finally {
      open -= 1
    }
  }
}

interface Exchange {
  incoming: IncomingMessage
  response: ServerResponse
  body: Buffer
  path: string
  asked: AllowedRequest
  meter: Meter
}

/** One request to the provider and back. Resolves when it is over, however it ended. */
const exchange = (options: ModelProxyOptions, given: Exchange): Promise<void> =>
  new Promise((resolve) => {
    const { response } = given
    const outgoing = askProvider(options, given)
    outgoing.on('timeout', () => outgoing.destroy(new Error('the provider is silent')))
    outgoing.on('response', (answer) => passOn(answer, given))
    outgoing.on('error', (error) => {
      if (response.destroyed) return
      options.log.warn({ reason: error.message }, 'the model provider could not be asked')
      refuse(response, 502, 'api_error', 'The model provider could not be reached.')
    })
    // Nobody reads the answer any more: what the provider would still write is paid for in vain.
    response.on('close', () => {
      outgoing.destroy()
      resolve()
    })
    outgoing.end(given.body)
  })

const askProvider = (options: ModelProxyOptions, { incoming, body, path }: Exchange): ClientRequest => {
  const { baseUrl, headers } = options.model
  // Put together as text: resolved as a relative address, a path with two slashes would name another host.
  const target = new URL(`${baseUrl.replace(/\/+$/, '')}${path}`)
  const secure = target.protocol === 'https:'
  return (secure ? httpsRequest : httpRequest)(target, {
    method: incoming.method,
    agent: agents[secure ? 'https:' : 'http:'],
    timeout: options.modelSilenceMs,
    headers: { ...headersForProvider(incoming.headers), ...headers, 'content-length': body.length },
  })
}

const passOn = (answer: IncomingMessage, { response, asked, meter }: Exchange): void => {
  const streams = (answer.headers['content-type'] ?? '').includes('text/event-stream')
  const reader = streams ? createStreamReader() : createWholeReader()
  response.writeHead(answer.statusCode ?? 502, headersForSandbox(answer.headers))
  // At once: the first token of a stream may be seconds behind its headers.
  response.flushHeaders()
  const { model } = asked
  if (model !== undefined) {
    answer.on('data', (chunk: Buffer) => reader.push(chunk))
    // Also when it breaks off: what was used until then is used.
    answer.on('close', () => {
      const usage = reader.usage()
      if (usage !== undefined) meter.add(model, usage)
    })
  }
  answer.on('error', () => response.destroy())
  answer.on('close', () => {
    if (!answer.complete) response.destroy()
  })
  answer.pipe(response)
}

/** An error in the provider's form: the runtime then acts on it as on the provider's own. */
const refuse = (response: ServerResponse, status: number, type: string, message: string): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify({ type: 'error', error: { type, message } }))
}
