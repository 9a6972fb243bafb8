/**
 * The agent's way to the model provider. The key is added here, outside every sandbox; each call is accounted for; the answer
 * streams through as it comes. Bodies and keys are never logged.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TokenUsage } from '@tutti/contracts'
import type { ModelAccess } from '../deps.ts'
import { mostOf } from './account.ts'
import type { Assignment } from './assignment.ts'
import { readBody } from './body.ts'
import { headersForProvider, headersForSandbox } from './headers.ts'
import { type AllowedRequest, checkRequest, endpointOf } from './model-request.ts'
import { type Asked, askProvider, type ProviderOptions, type ProviderRequest } from './provider.ts'
import { createStreamReader, createWholeReader, noTokens, type UsageReader } from './usage.ts'

export interface ModelProxyOptions extends ProviderOptions {
  model: ModelAccess
  modelBodyBytes: number
  modelParallel: number
}

type Current = Pick<Assignment, 'turn' | 'account'>

export type ModelProxy = (
  incoming: IncomingMessage,
  response: ServerResponse,
  url: URL,
  current: Current | undefined,
) => Promise<void>

export const createModelProxy = (options: ModelProxyOptions): ModelProxy => {
  let open = 0

  const forward = async (
    incoming: IncomingMessage,
    response: ServerResponse,
    url: URL,
    { turn, account }: Current,
  ): Promise<void> => {
    const path = url.pathname.slice('/model'.length)
    const endpoint = endpointOf(incoming.method, path)
    if (endpoint === undefined) {
      return refuse(response, 404, 'not_found_error', 'The relay does not pass this on to the model provider.')
    }
    const body = await readBody(incoming, options.modelBodyBytes)
    if (body === undefined) return refuse(response, 413, 'request_too_large', 'The request is too large.')
    let asked: AllowedRequest = { model: turn.model, stream: false, maxTokens: 0 }
    if (endpoint !== 'models') {
      const checked = checkRequest(body.toString('utf8'), (model) => options.model.routeOf(model) !== undefined)
      if ('status' in checked) return refuse(response, checked.status, checked.type, checked.message)
      asked = checked
    }
    const route = options.model.routeOf(asked.model)
    if (route === undefined) return refuse(response, 403, 'permission_error', 'The model is not allowed in this run.')
    const request: ProviderRequest = {
      ...{ route, method: incoming.method ?? 'GET', path: `${path}${url.search}`, body },
      headers: headersForProvider(incoming.headers),
    }
    const hungUp = new AbortController()
    response.on('close', () => hungUp.abort(new Error('nobody waits for the answer')))
    try {
      if (endpoint === 'ask') await ask(options, { request, response, asked, account, signal: hungUp.signal })
      else await passOn(await askProvider(options, request, hungUp.signal), response)
    } catch (error) {
      if (!hungUp.signal.aborted) throw error
    }
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

interface Call {
  request: ProviderRequest
  response: ServerResponse
  asked: AllowedRequest
  account: Current['account']
  signal: AbortSignal
}

/** A call that costs something: it begins only with the account's consent, and its end is told however it comes. */
const ask = async (options: ModelProxyOptions, { request, response, asked, account, signal }: Call): Promise<void> => {
  const { model } = asked
  const most = mostOf(request.body.length, asked.maxTokens)
  const begun = await account.begin(
    {
      ...{ model, provider: request.route.provider },
      most: { ...most, cost_usd: options.model.costOf(model, { ...most, input_tokens: 1.25 * most.input_tokens }) },
    },
    signal,
  )
  if ('refusal' in begun) return refuse(response, 402, 'billing_error', `BUDGET_EXCEEDED: ${begun.refusal.message}`)

  const end = (usage: TokenUsage, status: number, complete: boolean): void =>
    account.end({ ...usage, n: begun.n, cost_usd: options.model.costOf(model, usage), status, complete })
  // What was sent and never answered was read by the provider all the same.
  const sentOnly: TokenUsage = { ...noTokens, input_tokens: Math.ceil(request.body.length / 4) }
  let asking: Asked
  try {
    asking = await askProvider(options, request, signal)
  } catch (error) {
    end(sentOnly, 0, false)
    throw error
  }
  if (asking.kind !== 'answer') {
    end(asking.kind === 'unreachable' && asking.sent ? sentOnly : noTokens, asking.kind === 'limited' ? 429 : 0, false)
    // Left unanswered where the turn is to be parked: an answer would have the agent give up, and write down that it did.
    if (asking.kind === 'limited') return account.limitedUntil(asking.until)
    return passOn(asking, response)
  }
  const status = asking.answer.statusCode ?? 0
  const streams = (asking.answer.headers['content-type'] ?? '').includes('text/event-stream')
  const reader = streams ? createStreamReader() : createWholeReader()
  const { answer } = asking
  const over = (): void => {
    answer.off('end', over).off('close', over)
    const ok = status >= 200 && status < 300
    end(reader.usage() ?? (ok && !answer.complete ? sentOnly : noTokens), status, answer.complete)
  }
  // Heard before the end is passed on: whoever has the whole answer can rely on its being counted.
  answer.on('end', over).on('close', over)
  await passOn(asking, response, reader)
}

/** The answer as it comes. Resolves when it is over, however it ended. */
const passOn = async (asked: Asked, response: ServerResponse, reader?: UsageReader): Promise<void> => {
  if (asked.kind === 'unreachable')
    return refuse(response, 502, 'api_error', 'The model provider could not be reached.')
  if (asked.kind === 'limited') {
    response.setHeader('retry-after', String(Math.ceil(Math.max(0, asked.until - Date.now()) / 1000)))
    return refuse(response, 429, 'rate_limit_error', 'The model provider takes no requests at the moment.')
  }
  const { answer } = asked
  const over = new Promise<void>((resolve) => response.once('close', resolve))
  response.writeHead(answer.statusCode ?? 502, headersForSandbox(answer.headers))
  // At once: the first token of a stream may be seconds behind its headers.
  response.flushHeaders()
  if (reader !== undefined) answer.on('data', (chunk: Buffer) => reader.push(chunk))
  answer.on('error', () => response.destroy())
  answer.on('close', () => {
    if (!answer.complete) response.destroy()
  })
  answer.pipe(response)
  await over
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
