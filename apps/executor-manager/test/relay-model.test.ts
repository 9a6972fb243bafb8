import { once } from 'node:events'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterEach, expect, it } from 'vitest'
import { topLevelNames } from '../src/relay/model-request.ts'
import { createProvider, createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig | undefined
const theRig = (): RelayRig => {
  if (rig === undefined) throw new Error('setUp comes first')
  return rig
}
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await rig?.close()
  rig = undefined
  for (const close of closing.splice(0)) await close()
})

const ask = { model: 'special-model', messages: [], stream: true }

interface Seen {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

const setUp = async (
  answer: (response: ServerResponse, seen: Seen) => void,
  given: Parameters<typeof createRelayRig>[0] = {},
  base = '',
): Promise<Seen[]> => {
  const seen: Seen[] = []
  const provider = await createProvider(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
    seen.push(one)
    answer(response, one)
  })
  closing.push(provider.close)
  rig = await createRelayRig({ ...given, baseUrl: provider.url + base })
  rig.relay.assign(rig.assignment)
  return seen
}

const json = (response: ServerResponse, body: object): void => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

it('the-key-is-added-outside-and-what-came-from-inside-is-dropped', async () => {
  const seen = await setUp((response) => json(response, {}), {}, '/gateway/')
  const headers = {
    ...{ 'x-api-key': 'from inside', cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', connection: 'close, x-hop' },
    ...{ 'x-hop': '1', 'anthropic-version': '2023-06-01', 'anthropic-beta': 'b', 'accept-encoding': 'gzip' },
    ...{ 'proxy-authorization': 'Basic x', host: 'somewhere.else' },
  }
  expect((await theRig().ask('/model/v1/messages?beta=true', { body: ask, headers })).status).toBe(200)
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/gateway/v1/messages?beta=true', body: JSON.stringify(ask) })
  const got = seen[0]?.headers ?? {}
  expect(got['x-api-key']).toBe('the key')
  expect(got['anthropic-version']).toBe('2023-06-01')
  expect(got['accept-encoding']).toBe('identity')
  for (const name of ['authorization', 'cookie', 'x-forwarded-for', 'x-hop', 'proxy-authorization'])
    expect(got[name]).toBeUndefined()
  expect(got.host).toMatch(/^127\.0\.0\.1:/)
})

it('only-what-is-named-passes', async () => {
  const seen = await setUp((response) => json(response, {}))
  const paths = [
    ...['/model/v1/files', '/model/v1/messages/batches', '/model/', '/model//evil.example/v1/messages'],
    ...['/model/v1/messages/../files', '/model/v1/organizations', '/model/v1/Messages'],
  ]
  for (const path of paths) expect((await theRig().ask(path, { body: ask })).status).toBe(404)
  expect((await theRig().ask('/model/v1/messages', { method: 'DELETE' })).status).toBe(404)
  expect(seen).toEqual([])
  expect((await theRig().ask('/model/v1/models')).status).toBe(200)
  expect((await theRig().ask('/model/v1/messages/count_tokens', { body: ask })).status).toBe(200)
})

it('model-not-allowed', async () => {
  const seen = await setUp((response) => json(response, {}), { allowedModels: ['claude-*-4', 'x.y'] })
  const status = async (body: unknown) => (await theRig().ask('/model/v1/messages', { body })).status
  for (const model of ['special-model', 'claude-haiku-4', 'x.y']) expect(await status({ ...ask, model })).toBe(200)
  expect(seen).toHaveLength(3)
  for (const model of ['claude-haiku-5', 'xzy', 'Special-Model', 'gpt', 'a\nclaude-x-4']) {
    expect(await status({ ...ask, model })).toBe(403)
  }
  // What we read and what the provider might read must be the same.
  const twice = '{"model":"special-model","x":[{"model":1}],"mod\\u0065l"                          :"gpt"}'
  for (const body of [
    twice,
    '{"model":"special-model","MODEL":"gpt"}',
    '{"x":1}',
    '[]',
    'no',
    '{"model":3}',
    '{"model":""}',
  ])
    expect(await status(body)).toBe(400)
  expect(seen).toHaveLength(3)
})

it('names-are-found-wherever-they-stand', () => {
  const source = '{"a":"}\\"{","model" \n :1,"b":{"model":2},"c":["model",{"model":3}],"\\u006dodel":4,"d":"model"}'
  expect(topLevelNames(source)).toEqual(['a', 'model', 'b', 'c', 'model', 'd'])
})

it('an-answer-streams-through-as-it-comes-and-is-counted', async () => {
  const provider = Promise.withResolvers<ServerResponse>()
  await setUp((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'set-cookie': 'a=b', 'request-id': 'r' })
    response.flushHeaders()
    provider.resolve(response)
  })
  const answer = await theRig().open('/model/v1/messages', { body: ask })
  expect(answer.headers).toMatchObject({ 'request-id': 'r' })
  expect(answer.headers['set-cookie']).toBeUndefined()
  const chunks: AsyncIterator<Buffer> = answer[Symbol.asyncIterator]()
  const send = async (event: object): Promise<void> => {
    const line = `event: x\ndata: ${JSON.stringify(event)}\n\n`
    // In two pieces, so that a line is cut in the middle.
    const upstream = await provider.promise
    upstream.write(line.slice(0, 30))
    upstream.write(line.slice(30))
    let got = ''
    while (got.length < line.length) got += String((await chunks.next()).value)
    expect(got).toBe(line)
  }
  const usage = { input_tokens: 10, cache_creation_input_tokens: 3, cache_read_input_tokens: 100, output_tokens: 1 }
  await send({ type: 'message_start', message: { model: 'm', usage } })
  await send({ type: 'content_block_delta', delta: { text: '"usage" is only a word here' } })
  await send({ type: 'message_delta', usage: { output_tokens: 42 } })
  ;(await provider.promise).end()
  expect((await chunks.next()).done).toBe(true)
  expect(theRig().account.spent()).toMatchObject({ ...usage, output_tokens: 42 })
})

it('an-answer-that-breaks-off-is-not-taken-for-whole-and-what-it-used-is-counted', async () => {
  const data = { type: 'message_start', message: { usage: { input_tokens: 7, output_tokens: 1 } } }
  const seen = await setUp((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify(data)}\n\n`, () => response.destroy())
  })
  await expect(theRig().ask('/model/v1/messages', { body: ask })).rejects.toThrow()
  expect(seen).toHaveLength(1)
  expect(theRig().account.spent()).toMatchObject({ input_tokens: 7, output_tokens: 1 })
})

it('an-answer-in-one-piece-is-counted-and-has-its-price', async () => {
  const usage = { input_tokens: 1_000_000, output_tokens: 1_000_000 }
  await setUp((response) => json(response, { usage }))
  await theRig().ask('/model/v1/messages', { body: { ...ask, model: 'claude-sonnet-4-5' } })
  expect(theRig().account.spent()).toMatchObject({ ...usage, cost_usd: 18 })
})

it('a-client-that-goes-away-ends-the-request-to-the-provider', async () => {
  const upstream = Promise.withResolvers<ServerResponse>()
  await setUp((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    upstream.resolve(response)
  })
  const answer = await theRig().open('/model/v1/messages', { body: ask })
  const closed = once(await upstream.promise, 'close')
  answer.destroy()
  await closed
})

it('limits-hold-and-errors-have-the-providers-form', async () => {
  const upstream: ServerResponse[] = []
  const settings = { modelBodyBytes: 200, modelParallel: 1 }
  await setUp(
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      upstream.push(response)
    },
    { settings },
  )
  const error = async (asked: object) => {
    const { status, body } = await theRig().ask('/model/v1/messages', { body: asked })
    return [status, JSON.parse(body).type, JSON.parse(body).error.type]
  }
  expect(await error({ ...ask, padding: 'x'.repeat(300) })).toEqual([413, 'error', 'request_too_large'])
  const first = await theRig().open('/model/v1/messages', { body: ask })
  expect(await error(ask)).toEqual([429, 'error', 'rate_limit_error'])
  upstream[0]?.end()
  await text(first)
  theRig().relay.withdraw()
  expect(await error(ask)).toEqual([403, 'error', 'permission_error'])
})

it('a-provider-that-is-away-or-silent-is-told-in-its-own-form', async () => {
  await setUp(() => undefined, { settings: { modelSilenceMs: 20 } })
  const silent = await theRig().ask('/model/v1/messages', { body: ask })
  expect([silent.status, JSON.parse(silent.body).error.type]).toEqual([502, 'api_error'])
  await theRig().close()
  rig = await createRelayRig()
  rig.relay.assign(rig.assignment)
  const away = await theRig().ask('/model/v1/messages', { body: ask })
  expect(away.status).toBe(502)
  // Where the provider is, is none of the sandbox's business.
  expect(away.body).not.toContain('127.0.0.1')
})
