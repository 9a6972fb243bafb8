/** What the relay does when the provider fails, limits the rate, or has nothing to do with the model. */
import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { modelCatalogue } from '@tutti/config'
import type { BudgetRefusal } from '@tutti/contracts'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { BackendError } from '../src/backend/error.ts'
import { modelAccess } from '../src/model-access.ts'
import { waitOf } from '../src/relay/rate-limit.ts'
import { catalogueConfig } from './support/one-provider.ts'
import { createProvider, createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig
let current: RelayRig | undefined
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await current?.close()
  current = undefined
  for (const close of closing.splice(0)) await close()
})

const ask = { model: 'special-model', messages: [], max_tokens: 10 }
const usage = { input_tokens: 5, output_tokens: 2 }

/** Answers the requests in their order; the last answer stays. */
const setUp = async (
  answers: ((response: ServerResponse) => void)[],
  given: Parameters<typeof createRelayRig>[0] = {},
): Promise<{ asked: () => number }> => {
  let asked = 0
  const provider = await createProvider((request, response) => {
    request.resume()
    const answer = answers[Math.min(asked, answers.length - 1)]
    asked += 1
    answer?.(response)
  })
  closing.push(provider.close)
  rig = await createRelayRig({ baseUrl: provider.url, ...given })
  current = rig
  rig.relay.assign(rig.assignment)
  return { asked: () => asked }
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(code === 200 ? { usage } : { type: 'error', error: { type: 'x', message: 'x' } }))
  }
const cut = (response: ServerResponse): void => {
  response.destroy()
}
const told = () => rig.told.flatMap(({ ended = [] }) => ended)

describe('failures', () => {
  it.each([
    ['an error of the provider', status(500)],
    ['an overload', status(529)],
    ['a broken connection', cut],
  ])('%s is asked again, and the agent hears nothing of it', async (_, failing) => {
    const { asked } = await setUp([failing, failing, status(200)])
    expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(200)
    expect(asked()).toBe(3)
    await vi.waitUntil(() => told().length === 1)
    expect(told()[0]).toMatchObject({ n: 1, ...usage, status: 200, complete: true })
  })

  it('tries-have-an-end-and-the-last-answer-is-passed-on', async () => {
    const { asked } = await setUp([status(503, { 'x-last': 'yes' })], { settings: { modelRetries: 2 } })
    const answer = await rig.ask('/model/v1/messages', { body: ask })
    expect([answer.status, answer.headers['x-last'], asked()]).toEqual([503, 'yes', 3])
  })

  it('a-request-that-is-wrong-is-not-repeated', async () => {
    const { asked } = await setUp([status(400), status(200)])
    expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(400)
    expect(asked()).toBe(1)
  })

  it('after-the-first-byte-nothing-is-repeated', async () => {
    const start = { type: 'message_start', message: { usage: { input_tokens: 7, output_tokens: 1 } } }
    const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(4_000) } }
    const { asked } = await setUp([
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const events = [start, delta].map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
        response.write(events, () => response.destroy())
      },
    ])
    await expect(rig.ask('/model/v1/messages', { body: ask })).rejects.toThrow()
    expect(asked()).toBe(1)
    await vi.waitUntil(() => told().length === 1)
    const [call] = told()
    expect(call).toMatchObject({ input_tokens: 7, complete: false })
    // Nobody told how much had come; what came is counted about right.
    expect(call?.output_tokens).toBeGreaterThan(800)
    expect(call?.output_tokens).toBeLessThan(1_100)
  })
})

describe('a rate limit', () => {
  it('that-is-short-is-waited-out', async () => {
    const { asked } = await setUp([status(429, { 'retry-after': '0.05' }), status(200)])
    expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(200)
    expect(asked()).toBe(2)
    expect(rig.account.halt()).toBeUndefined()
  })

  it('that-is-long-halts-the-run-until-then-and-leaves-the-agent-waiting', async () => {
    await setUp([status(429, { 'retry-after': '3600' })])
    const answer = rig.ask('/model/v1/messages', { body: ask })
    answer.catch(() => {})
    const halt = await rig.account.halted
    if (halt.kind !== 'rate_limit') throw new Error(halt.kind)
    expect(Math.abs(halt.until - Date.now() - 3_600_000)).toBeLessThan(10_000)
    await vi.waitUntil(() => told().length === 1)
    expect(told()[0]).toMatchObject({ status: 429, input_tokens: 0, complete: false })
    expect(await Promise.race([answer.then(() => 'answered'), Promise.resolve('waiting')])).toBe('waiting')
  })

  it('that-comes-again-and-again-is-waited-for-no-longer-than-allowed', async () => {
    const { asked } = await setUp([status(429, { 'retry-after': '0.04' })], { rateLimitWaitMs: 100 })
    rig.ask('/model/v1/messages', { body: ask }).catch(() => {})
    expect(await rig.account.halted).toMatchObject({ kind: 'rate_limit' })
    expect(asked()).toBe(3)
  })

  it.each([
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['a date', { 'retry-after': new Date(20_000).toUTCString() }, 10_000],
    ['the limit that is used up', resets({ requests: [3, 99], tokens: [0, 25] }), 15_000],
    ['the last of several', resets({ requests: [0, 12], tokens: [0, 40] }), 30_000],
    ['seconds since the epoch', { 'anthropic-ratelimit-unified-reset': '60' }, 50_000],
    ['an instant that has passed', { 'retry-after': new Date(0).toUTCString() }, 0],
    ['nothing', {}, undefined],
    ['nonsense', { 'retry-after': 'soon' }, undefined],
  ])('is read off: %s', (_, headers, expected) => {
    expect(waitOf(headers, 10_000)).toBe(expected)
  })
})

function resets(limits: Record<string, [left: number, atSeconds: number]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(limits).flatMap(([name, [left, at]]) => [
      [`anthropic-ratelimit-${name}-remaining`, String(left)],
      [`anthropic-ratelimit-${name}-reset`, new Date(at * 1000).toISOString()],
    ]),
  )
}

describe('the account', () => {
  const refusal: BudgetRefusal = {
    scope: 'user',
    scope_id: 'u',
    period: 'month',
    measure: 'cost_usd',
    ...{ limit: 1, used: 2, set_by: 'owner', message: 'The budget is used up.' },
  }

  it('a-call-that-may-not-begin-reaches-no-provider-and-halts-the-run', async () => {
    const { asked } = await setUp([status(200)], { account: async () => ({ verdict: 'stop', refusal }) })
    const { status: code, body } = await rig.ask('/model/v1/messages', { body: ask })
    expect([code, JSON.parse(body).error]).toEqual([
      402,
      { type: 'billing_error', message: 'BUDGET_EXCEEDED: The budget is used up.' },
    ])
    expect(asked()).toBe(0)
    expect(await rig.account.halted).toEqual({ kind: 'budget', refusal })
  })

  it('a-call-waits-for-others-under-way', async () => {
    let times = 0
    const account = async ({ begin }: { begin?: unknown }) => {
      if (begin == null) return {}
      times += 1
      return { verdict: times < 3 ? ('wait' as const) : ('go' as const) }
    }
    const { asked } = await setUp([status(200)], { account })
    expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(200)
    expect([times, asked()]).toEqual([3, 1])
  })

  it('the-end-of-a-call-is-known-before-the-next-one-begins-and-counting-tokens-is-free', async () => {
    await setUp([status(200)])
    await rig.ask('/model/v1/messages', { body: ask })
    await rig.ask('/model/v1/messages/count_tokens', { body: ask })
    await rig.ask('/model/v1/messages', { body: ask })
    const second = rig.told.findIndex(({ begin }) => begin?.n === 2)
    const before = rig.told.slice(0, second + 1).flatMap(({ ended = [] }) => ended)
    expect(before.map(({ n }) => n)).toContain(1)
    expect(rig.told.filter(({ begin }) => begin != null)).toHaveLength(2)
    expect(rig.told[0]?.begin).toMatchObject({
      model: 'special-model',
      most: { input_tokens: Math.ceil(JSON.stringify(ask).length / 2), output_tokens: 10, cost_usd: null },
    })
  })

  it('a-backend-that-is-away-lets-no-call-pass-unnoticed', async () => {
    let away = 2
    const account = async () => {
      away -= 1
      if (away >= 0) throw new BackendError('unreachable', 'away')
      return {}
    }
    const { asked } = await setUp([status(200)], { account })
    expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(200)
    expect([away < 0, asked()]).toEqual([true, 1])
  })

  it('an-agent-that-hangs-up-while-its-call-waits-costs-nothing', async () => {
    const { asked } = await setUp([status(200)], { account: async () => ({ verdict: 'wait' }) })
    const leaving = rig.open('/model/v1/messages', { body: ask, signal: AbortSignal.timeout(50) })
    await expect(leaving).rejects.toThrow()
    await vi.waitUntil(() => rig.told.length > 0)
    expect(asked()).toBe(0)
  })
})

describe('several providers', () => {
  const seen: { provider: string; headers: unknown }[] = []
  const provider = async (name: string): Promise<string> => {
    const { url, close } = await createProvider((request, response) => {
      const { authorization, 'x-api-key': key } = request.headers
      seen.push({ provider: name, headers: { authorization, key } })
      status(200)(response)
    })
    closing.push(close)
    return url
  }

  it('each-gets-its-own-models-and-only-its-own-key', async () => {
    const [first, second] = [await provider('first'), await provider('second')]
    const models = modelCatalogue(
      catalogueConfig({
        ...{ anthropicBaseUrl: first, anthropicAuthToken: 'first-token', defaultModel: 'special-model' },
        modelList: ['claude-sonnet-4-5', 'own/model:1', 'glm-4.6'],
        ...{ glmBaseUrl: second, glmApiKey: 'glm-key' },
        modelProviders: [
          {
            ...{ id: 'own', displayName: 'Own', baseUrl: second, keyVariable: 'OWN_KEY', auth: 'x-api-key' },
            ...{
              models: ['own/*'],
              prices: new Map([['own/*', { input: 1, output: 2, cacheWrite: 1, cacheRead: 0 }]]),
            },
          },
        ],
      }),
      { OWN_KEY: 'own-key' },
      [],
    )
    rig = await createRelayRig({ model: modelAccess(models) })
    current = rig
    rig.relay.assign(rig.assignment)
    const to = async (model: string) => (await rig.ask('/model/v1/messages', { body: { ...ask, model } })).status
    for (const model of ['claude-sonnet-4-5', 'own/model:1', 'glm-4.6']) expect(await to(model)).toBe(200)
    expect(await to('own/model:2')).toBe(403)
    expect(seen).toEqual([
      { provider: 'first', headers: { authorization: 'Bearer first-token', key: undefined } },
      { provider: 'second', headers: { authorization: undefined, key: 'own-key' } },
      { provider: 'second', headers: { authorization: 'Bearer glm-key', key: undefined } },
    ])
    await vi.waitUntil(() => told().length === 3)
    expect(told().map(({ cost_usd }) => cost_usd)).toEqual([(5 * 3 + 2 * 15) / 1e6, 9 / 1e6, null])
  })
})

it('back-pressure-holds-on-both-sides', async () => {
  let pushed = 0
  const chunk = Buffer.alloc(64 * 1024, 'x')
  await setUp([
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const push = (): void => {
        while (!response.destroyed && pushed < 2_000) {
          pushed += 1
          if (!response.write(chunk)) {
            response.once('drain', push)
            return
          }
        }
        response.end()
      }
      push()
    },
  ])
  const answer = await rig.open('/model/v1/messages', { body: ask })
  // Nobody reads: the provider has to stop, well before its 125 MB lie in this process.
  let before = -1
  await vi.waitUntil(
    () => {
      const still = pushed === before
      before = pushed
      return still
    },
    { interval: 100, timeout: 10_000 },
  )
  expect(pushed).toBeLessThan(500)
  expect((await text(answer)).length).toBe(2_000 * chunk.length)
})
