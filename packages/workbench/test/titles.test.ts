/** Titles by a model: a real HTTP server that speaks like OpenAI, a real PostgreSQL, the real engine. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createTask, type TokenUsage } from '@tutti/contracts'
import { createEngine, type Engine } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import {
  agentRunBlueprint,
  type BudgetSettings,
  createDatabase,
  createTitleModel,
  createWorkbench,
  type Database,
  sessionTitleBlueprint,
  type Workbench,
} from '../src/index.ts'

let testDb: TestDatabase
let database: Database
beforeAll(async () => {
  testDb = await testDatabase('workbench')
  database = createDatabase({ connectionString: testDb.connectionString })
})
afterAll(async () => {
  await database.close()
  await testDb.drop()
})

interface Asked {
  authorization: string | undefined
  url: string | undefined
  body: { model: string; messages: { role: string; content: string }[] }
}

const counted = { prompt_tokens: 50, completion_tokens: 8, prompt_tokens_details: { cached_tokens: 20 } }

/** Answers as told, one after the other, and the last one again and again. */
const provider = async (...answers: (string | number | ((response: ServerResponse) => void))[]) => {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    asked.push({
      authorization: request.headers.authorization,
      url: request.url,
      body: JSON.parse(await text(request)),
    })
    const answer = answers[Math.min(asked.length, answers.length) - 1]
    if (typeof answer === 'function') return answer(response)
    if (typeof answer === 'number') return response.writeHead(answer).end('{"error":{"message":"no"}}')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: answer } }], usage: counted }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
}

const begin = ({ baseUrl }: { baseUrl: string }, budgets: BudgetSettings = { timeZone: 'UTC', defaults: [] }) => {
  let offset = 0
  const store = createMemoryStore({ now: () => Date.now() + offset })
  const said: string[] = []
  const log = { warn: (_facts: object, message: string) => said.push(message) }
  const titles = createTitleModel({ baseUrl, apiKey: 'key-of-tests', model: 'small' })
  const costOf = ({ input_tokens, output_tokens }: TokenUsage) => (input_tokens + output_tokens) / 1000
  const process = (): { engine: Engine; workbench: Workbench } => {
    const engine = createEngine({
      ...{ store, settings: { safetyIntervalMs: 10 } },
      blueprints: [agentRunBlueprint, sessionTitleBlueprint({ database, log, titles, budgets, costOf })],
    })
    engine.start()
    const workbench = createWorkbench({
      ...{ database, engine, log, ownerOf: () => 'default', sweepIntervalMs: 20, budgets },
    })
    onTestFinished(async () => {
      await workbench.stop()
      await engine.stop()
    })
    return { engine, workbench }
  }
  return {
    process,
    said,
    advance: (ms: number) => {
      offset += ms
    },
  }
}

const send = async (workbench: Workbench, prompt: string): Promise<string> =>
  (await workbench.createTask('default', createTask.parse({ prompt }))).session_id
const titleOf = async (workbench: Workbench, id: string) => (await workbench.session('default', id)).title
const ended = (engine: Engine, id: string, status: string) =>
  vi.waitFor(async () => expect((await engine.job(id, null)).status).toBe(status), { timeout: 10_000, interval: 20 })

test('the-first-message-gives-the-title-until-the-model-has-a-better-one-of-ten-words-at-most', async () => {
  const model = await provider('"Title: One two three four five six seven eight nine ten eleven twelve"\n')
  const { engine, workbench } = begin(model).process()
  const id = await send(workbench, 'Please count for me.\nAs far as you can.')
  expect(await titleOf(workbench, id)).toBe('Please count for me.')
  await workbench.start()
  await ended(engine, id, 'finished')
  expect(await titleOf(workbench, id)).toBe('One two three four five six seven eight nine ten')
  expect(model.asked).toHaveLength(1)
  expect(model.asked[0]).toMatchObject({ url: '/v1/chat/completions', authorization: 'Bearer key-of-tests' })
  expect(model.asked[0]?.body).toMatchObject({ model: 'small', messages: [{ role: 'system' }, { role: 'user' }] })
  const lines = await workbench.log('default', id, { since: 0, limit: 100 })
  expect(lines.filter(({ type }) => type === 'session.patch')).toMatchObject([
    { data: { title: 'One two three four five six seven eight nine ten' } },
  ])
})

test('a-provider-that-is-away-is-asked-again-and-a-second-message-asks-for-no-second-title', async () => {
  const model = await provider(503, 'A late title')
  const stage = begin(model)
  const { engine, workbench } = stage.process()
  await workbench.start()
  const id = await send(workbench, 'hello')
  await vi.waitFor(() => expect(model.asked).toHaveLength(1), { timeout: 10_000 })
  await workbench.createTask('default', createTask.parse({ prompt: 'and more', session_id: id }))
  await vi.waitFor(() => {
    stage.advance(5_000)
    expect(model.asked).toHaveLength(2)
  }, 10_000)
  await ended(engine, id, 'finished')
  expect(await titleOf(workbench, id)).toBe('A late title')
  expect(model.asked).toHaveLength(2)
})

test('a-key-that-is-refused-is-told-and-not-tried-again-and-the-first-title-stays', async () => {
  const model = await provider(401)
  const { process, said } = begin(model)
  const { engine, workbench } = process()
  await workbench.start()
  const id = await send(workbench, 'hello')
  await ended(engine, id, 'failed')
  expect(await titleOf(workbench, id)).toBe('hello')
  expect([model.asked.length, said]).toEqual([
    1,
    ['the model for titles answered 401; the session keeps its first title'],
  ])
})

test('an-answer-that-is-no-title-changes-nothing', async () => {
  const model = await provider((response) => response.end('<html>'), ' "" ')
  const { engine, workbench } = begin(model).process()
  await workbench.start()
  for (const id of [await send(workbench, 'one'), await send(workbench, 'two')]) {
    await ended(engine, id, 'failed')
    expect(await titleOf(workbench, id)).toMatch(/^(one|two)$/)
  }
})

test('a-title-that-a-person-gave-meanwhile-stays', async () => {
  let answer = (): void => {}
  const model = await provider((response) => {
    answer = () => void response.end(JSON.stringify({ choices: [{ message: { content: 'Of the model' } }] }))
  })
  const { engine, workbench } = begin(model).process()
  await workbench.start()
  const id = await send(workbench, 'hello')
  await vi.waitFor(() => expect(model.asked).toHaveLength(1), { timeout: 10_000 })
  await database.query('update workbench.sessions set title = $2 where id = $1', [id, 'Of a person'])
  answer()
  await ended(engine, id, 'finished')
  expect(await titleOf(workbench, id)).toBe('Of a person')
})

test('a-session-whose-process-died-after-the-first-message-is-titled-by-another-and-once', async () => {
  const model = await provider('Found again')
  const stage = begin(model)
  // It writes the message, and never sweeps.
  const id = await send(stage.process().workbench, 'hello')
  const others = [stage.process(), stage.process()]
  await Promise.all(others.map(({ workbench }) => workbench.start()))
  const [first] = others
  if (!first) throw new Error('two processes were made')
  await ended(first.engine, id, 'finished')
  expect(await titleOf(first.workbench, id)).toBe('Found again')
  expect(model.asked).toHaveLength(1)
})

test('a-title-is-in-the-ledger-of-its-session-and-counts-against-budgets', async () => {
  const model = await provider('A title that was paid for', 503, 'A second one')
  const user = { scope: 'user', period: 'total', variable: 'BUDGET_USER_TOKENS', limits: { tokens: 1 } } as const
  const { engine, workbench } = begin(model).process()
  await workbench.start()
  const id = await send(workbench, 'what does a title cost?')
  await ended(engine, id, 'finished')
  expect(await workbench.modelCalls('default', id, { limit: 10, offset: 0 })).toMatchObject([
    {
      ...{ run_id: null, purpose: 'title', model: 'small', state: 'ended', status: 200, complete: true },
      ...{ input_tokens: 30, cache_read_input_tokens: 20, output_tokens: 8, cost_usd: 0.038 },
    },
  ])
  expect((await workbench.usage('default', id)).usage_json).toMatchObject({ input_tokens: 30, cost_usd: 0.038 })
  await workbench.stop()

  // Used up between the message and its title: nobody is asked, and the first line stays.
  const asked = model.asked.length
  const poor = begin(model, { timeZone: 'UTC', defaults: [user] }).process()
  const [late] = await database.query<{ id: string }>(
    `insert into workbench.sessions (id, user_id, title, status) values (gen_random_uuid(), 'default', 'poor', 'completed') returning id`,
  )
  const other = late?.id ?? ''
  await database.query(
    `with said as (insert into workbench.messages (session_id, run_id, role, content) values ($1, $1, 'user', '{}') returning id)
     insert into workbench.runs (id, session_id, user_id, user_message_id, prompt, permission_mode, status, job_id, check_at)
     select $1, $1, 'default', id, 'poor', 'default', 'completed', $1, null from said`,
    [other],
  )
  await poor.workbench.start()
  await ended(poor.engine, other, 'finished')
  expect(await titleOf(poor.workbench, other)).toBe('poor')
  expect(model.asked).toHaveLength(asked)
})
