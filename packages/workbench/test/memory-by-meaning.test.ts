/** The memory with a model of embeddings: a real HTTP server that speaks like OpenAI and knows a few concepts, a real PostgreSQL. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type CreateMemory, createMemory, memoryCall, searchMemories } from '@tutti/contracts'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createEmbeddingModel, type WorkbenchOptions } from '../src/index.ts'
import { packVector, similarityTo } from '../src/memory/embeddings/vector.ts'
import { fused } from '../src/memory/search.ts'
import { createStage, holder, user } from './support/stage.ts'

const patience = { timeout: 15_000, interval: 20 }

/** A text's vector says which of these it is about. */
const concepts = [
  'tea coffee drink beverage',
  'meet meeting appointment gather',
  'green colour hue',
  'money budget cost',
]
const vectorOf = (given: string): number[] => {
  const words = given.toLowerCase().match(/\p{L}+/gu) ?? []
  const about = concepts.map((concept) => words.filter((word) => concept.split(' ').includes(word)).length)
  return [...about, about.some((count) => count > 0) ? 0 : 1]
}

interface Asked {
  authorization: string | undefined
  model: string
  input: string[]
}

/** @param fault the status for a request that is not to be answered */
const provider = async (fault: (asked: Asked) => number | undefined = () => undefined, tokensEach = 7) => {
  const asked: Asked[] = []
  const gate = { open: Promise.resolve() }
  const server = createServer(async (request, response) => {
    const { model, input } = JSON.parse(await text(request))
    const one = { authorization: request.headers.authorization, model, input }
    asked.push(one)
    await gate.open
    const status = request.url === '/v1/embeddings' ? fault(one) : 404
    if (status !== undefined) return response.writeHead(status).end('{"error":{"message":"no"}}')
    const data = input.map((each: string, index: number) => ({ index, embedding: vectorOf(each) })).reverse()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ data, usage: { prompt_tokens: tokensEach * input.length } }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, gate, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
}

const embeddingsAt = (baseUrl: string, model = 'small'): NonNullable<WorkbenchOptions['embeddings']> => ({
  model: createEmbeddingModel({ baseUrl, apiKey: 'key-of-tests', model }),
  costOf: ({ input_tokens }) => input_tokens / 1000,
})

const begin = async (baseUrl: string, more: Pick<WorkbenchOptions, 'budgets'> = {}) => {
  const stage = await createStage([], { embeddings: embeddingsAt(baseUrl), ...more })
  onTestFinished(stage.close)
  const { memories } = stage.workbench
  return {
    stage,
    add: async (given: string, of: Partial<CreateMemory> = {}, userId = user) =>
      (await memories.add(userId, createMemory.parse({ text: given, ...of }))).result.memory_id,
    search: async (query: string, userId = user) =>
      (await memories.search(userId, searchMemories.parse({ query }))).map(({ memory }) => memory),
    /** Until so many have their vectors. */
    embedded: (count: number, model = 'small') =>
      vi.waitFor(
        async () =>
          expect(
            await stage.database.query('select id from workbench.memories where embedded_by = $1', [model]),
          ).toHaveLength(count),
        patience,
      ),
    /** As time would make them due. */
    due: () => stage.database.query('update workbench.memories set embed_at = now() where embedded_by is null'),
  }
}

describe('a memory', () => {
  test('is-found-by-what-it-means-without-a-word-in-common-and-first-where-it-has-the-words-too', async () => {
    const { baseUrl, asked } = await provider()
    const { stage, add, search, embedded } = await begin(baseUrl)
    await add('The user likes coffee')
    await add('The team has an appointment on Fridays')
    await add('A beverage at ten')
    expect(await search('meeting')).toEqual([])
    await stage.workbench.start()
    await embedded(3)
    expect((await search('meeting'))[0]).toBe('The team has an appointment on Fridays')
    expect((await search('which drink at ten?'))[0]).toBe('A beverage at ten')
    expect(asked.at(-1)).toEqual({
      authorization: 'Bearer key-of-tests',
      model: 'small',
      input: ['which drink at ten?'],
    })
    const scored = await stage.workbench.memories.search(user, searchMemories.parse({ query: 'coffee' }))
    expect(scored.map(({ memory }) => memory)).toEqual(['The user likes coffee', 'A beverage at ten'])
    expect(scored[0]?.score).toBeGreaterThan(scored[1]?.score ?? 1)
    expect(scored[0]?.score).toBeLessThanOrEqual(1)
  })

  test('is-there-at-once-and-found-by-its-words-while-the-provider-is-away-and-by-its-meaning-afterwards', async () => {
    let away = true
    const { baseUrl } = await provider(() => (away ? 503 : undefined))
    const { stage, add, search, embedded, due } = await begin(baseUrl)
    await stage.workbench.start()
    await add('The user likes coffee')
    await vi.waitFor(async () => {
      const [row] = await stage.database.query<{ embed_tries: number; later: boolean }>(
        'select embed_tries, embed_at > now() as later from workbench.memories',
      )
      expect(row).toMatchObject({ embed_tries: 1, later: true })
    }, patience)
    expect(await search('coffee')).toEqual(['The user likes coffee'])
    expect(await search('drink')).toEqual([])
    away = false
    await due()
    await embedded(1)
    expect(await search('drink')).toEqual(['The user likes coffee'])
  })

  test('that-was-changed-while-its-vector-was-made-gets-that-of-its-new-text', async () => {
    const { baseUrl, gate, asked } = await provider()
    const { stage, add, search, embedded, due } = await begin(baseUrl)
    const opened = Promise.withResolvers<void>()
    gate.open = opened.promise
    const id = await add('The user likes coffee')
    await stage.workbench.start()
    await vi.waitFor(() => expect(asked).toHaveLength(1), patience)
    await stage.workbench.memories.put(user, id, { text: 'The user likes money' })
    opened.resolve()
    await vi.waitFor(() => expect(asked.map(({ input }) => input)).toContainEqual(['The user likes money']), patience)
    await due()
    await embedded(1)
    expect(await search('drink')).toEqual([])
    expect(await search('budget')).toEqual(['The user likes money'])
    await stage.workbench.memories.put(user, id, { text: 'The user likes tea' })
    await embedded(0)
    await embedded(1)
    expect(await search('drink')).toEqual(['The user likes tea'])
  })

  test('that-the-model-does-not-take-keeps-no-other-from-its-vector', async () => {
    const { baseUrl } = await provider(({ input }) => (input.some((one) => one.includes('poison')) ? 400 : undefined))
    const { stage, add, search, embedded } = await begin(baseUrl)
    await add('The user likes coffee')
    await add('poison')
    await add('The team will gather')
    await stage.workbench.start()
    await embedded(2)
    expect(await search('drink')).toEqual(['The user likes coffee'])
    expect(await search('poison')).toEqual(['poison'])
  })

  test('is-asked-about-once-where-two-processes-look-for-those-without-a-vector', async () => {
    const { baseUrl, asked } = await provider()
    const { stage, add, embedded } = await begin(baseUrl)
    for (let n = 0; n < 70; n += 1) await add(`tea number ${n}`)
    await Promise.all([stage.workbench.start(), stage.process().workbench.start()])
    await embedded(70)
    const inputs = asked.flatMap(({ input }) => input)
    expect(inputs).toHaveLength(70)
    expect(new Set(inputs).size).toBe(70)
  })

  test('gets-its-vector-anew-where-the-model-was-changed-and-is-compared-with-no-other-models', async () => {
    const { baseUrl } = await provider()
    const { stage, add, search, embedded } = await begin(baseUrl)
    await add('The user likes coffee')
    await stage.workbench.start()
    await embedded(1)
    await stage.workbench.stop()
    await stage.database.query("update workbench.memories set embedded_by = 'older'")
    expect(await search('drink')).toEqual([])
    const next = stage.process()
    await next.workbench.start()
    await embedded(1)
    expect(await search('drink')).toEqual(['The user likes coffee'])
  })
})

test('a-strangers-memory-and-that-of-another-project-are-not-found-by-what-they-mean', async () => {
  const { baseUrl } = await provider()
  const { stage, add, search, embedded } = await begin(baseUrl)
  const project = (await stage.workbench.createProject(user, { name: 'other' })).project_id
  await add('a stranger drinks tea', {}, 'stranger')
  await add('coffee of the project', { project_id: project })
  await stage.workbench.start()
  await embedded(2)
  await stage.send('go', { config: { memory_enabled: true } })
  const run = await stage.claim()
  const call = memoryCall.parse({ op: 'search', query: 'beverage' })
  expect(await stage.workbench.useMemory(run.run_id, { ...holder(run), call })).toEqual({ memories: [] })
  expect(await search('beverage')).toEqual(['coffee of the project'])
  expect(await search('beverage', 'stranger')).toEqual(['a stranger drinks tea'])
})

describe('what a model is asked', () => {
  test('for-an-agent-is-in-the-ledger-of-its-session-and-for-nobody-who-was-replaced', async () => {
    const { baseUrl, asked } = await provider()
    const { stage, add, embedded } = await begin(baseUrl)
    await add('The user likes coffee')
    await stage.workbench.start()
    await embedded(1)
    const { session_id } = await stage.send('go', { config: { memory_enabled: true } })
    const run = await stage.claim()
    const call = memoryCall.parse({ op: 'search', query: 'beverage' })
    const found = await stage.workbench.useMemory(run.run_id, { ...holder(run), call })
    expect(found.memories).toMatchObject([{ memory: 'The user likes coffee' }])
    const calls = await stage.workbench.modelCalls(user, session_id, { limit: 10, offset: 0 })
    expect(calls).toMatchObject([{ run_id: null, purpose: 'memory', model: 'small', input_tokens: 7, cost_usd: 0.007 }])
    const before = asked.length
    const replaced = { ...holder(run), lease_token: 'another' }
    await expect(stage.workbench.useMemory(run.run_id, { ...replaced, call })).rejects.toMatchObject({
      code: 'LEASE_LOST',
    })
    expect(asked).toHaveLength(before)
  })

  test('is-asked-only-as-far-as-the-users-budget-goes', async () => {
    const { baseUrl, asked } = await provider(undefined, 100)
    const limit = {
      scope: 'user',
      period: 'month',
      variable: 'BUDGET_USER_MONTH_USD',
      limits: { tokens: 400 },
    } as const
    const { stage, add, search, embedded } = await begin(baseUrl, { budgets: { timeZone: 'UTC', defaults: [limit] } })
    await add('The user likes coffee')
    await stage.workbench.start()
    await embedded(1)
    for (let n = 0; n < 10; n += 1) await search('drink')
    expect(asked).toHaveLength(4)
    expect(await search('coffee')).toEqual(['The user likes coffee'])
  })
})

describe('vectors', () => {
  test('keep-their-angles-when-packed-to-a-byte-for-each-dimension', () => {
    let state = 7
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647 - 0.5
    }
    const exact = (a: number[], b: number[]): number => {
      const dot = (x: number[], y: number[]) => x.reduce((sum, value, n) => sum + value * (y[n] ?? 0), 0)
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
    }
    for (let n = 0; n < 50; n += 1) {
      const a = Array.from({ length: 1_536 }, random)
      const b = a.map((value) => value * (n / 50) + random() * (1 - n / 50))
      expect(Math.abs(similarityTo(packVector(a))(packVector(b)) - exact(a, b))).toBeLessThan(0.01)
    }
  })

  test('without-a-direction-are-refused-and-those-of-another-length-have-nothing-in-common', () => {
    expect(() => packVector([0, 0])).toThrow(RangeError)
    expect(() => packVector([])).toThrow(RangeError)
    expect(() => packVector([Number.NaN, 1, Number.POSITIVE_INFINITY])).toThrow(RangeError)
    expect(similarityTo(packVector([1, 2]))(packVector([1, 2, 3]))).toBe(0)
  })
})

test('what-is-in-both-lists-comes-before-the-first-of-one', () => {
  expect(
    fused([
      ['a', 'b'],
      ['c', 'b'],
    ]).map(({ id }) => id),
  ).toEqual(['b', 'a', 'c'])
  expect(fused([['a'], ['a']])).toEqual([{ id: 'a', score: 1 }])
})
