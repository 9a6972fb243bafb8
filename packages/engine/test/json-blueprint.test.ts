/** Blueprints as JSON: the same engine runs them, and every fault of a document is told with its place. */
import { AGENT_LOSSES, type BlueprintDocument, isTerminal, type Json } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { graphOf, jsonBlueprint, readJsonBlueprint } from '../src/index.ts'
import { answer, create, createFleet, take, takeOne } from './fleet.ts'

const order = {
  format: 'tutti/v1',
  name: 'order',
  version: 2,
  input: {
    type: 'object',
    required: ['pages'],
    properties: {
      pages: { type: 'array', items: { $ref: '#/$defs/page' }, maxItems: 5 },
      code: { pattern: '^[A-Z]+$' },
    },
    additionalProperties: false,
    $defs: { page: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
  },
  output: { type: 'object', properties: { words: { type: 'integer' } }, required: ['words'] },
  skills: { 'text.count': { params: { type: 'object', properties: { label: { type: 'string', maxLength: 8 } } } } },
  start: 'count',
  states: {
    count: {
      parallel: {
        each: 'input.pages',
        task: {
          skill: 'text.count',
          params: { page: { $expr: 'item' }, label: 'p{{ index + 1 }}', of: { $expr: 'size(input.pages)' } },
          concurrency_key: 'job-{{ job.id }}',
          retry: { attempts: 1 },
        },
        into: 'route',
      },
    },
    route: {
      when: [
        { if: 'last.status == "failure"', go_to: 'bad' },
        { name: 'long', if: 'results.exists(r, r.words > 100)', go_to: { to: 'ask', data: { long: true } } },
      ],
      go_to: { to: 'done', data: { words: { $expr: 'results.map(r, int(r.words))[0] + 1' } } },
    },
    ask: {
      approval: {
        message: 'Count {{ size(results) }} pages of {{ input.pages[0] }}?',
        on: { yes: 'done', no: 'bad' },
        timeout: '2d',
      },
    },
  },
  ends: {
    done: {
      output: { words: { $expr: 'has(data.words) ? data.words : 0' }, as_it_is: { $literal: { $expr: '1 +' } } },
    },
    bad: { outcome: 'failed' },
  },
} satisfies BlueprintDocument

const run = async (document: BlueprintDocument, input: { [key: string]: Json } = {}) => {
  const fleet = createFleet([jsonBlueprint(document)])
  const engine = fleet.engine({ settings: { handlerAttempts: 1 } })
  const { id } = await create(engine, document.name, { input })
  return { fleet, engine, id, job: () => engine.job(id, null) }
}

/** With one state that does this. */
const doing = (action: object, rest: Partial<BlueprintDocument> = {}): BlueprintDocument => ({
  format: 'tutti/v1',
  name: 'tested',
  start: 'a',
  states: { a: action },
  ends: { done: {} },
  ...rest,
})

const faultsOf = (document: unknown): string[] => {
  const read = readJsonBlueprint(document)
  return 'faults' in read ? read.faults.map(({ path, fault }) => `${path}: ${fault}`) : []
}

test('a task for each member of a list, with its values filled in, and what comes of them', async () => {
  const { engine, job } = await run(order, { pages: [{ name: 'one' }] })
  const leased = await takeOne(engine, { skills: ['text.count'] })
  expect(leased.task.params).toEqual({ page: { name: 'one' }, label: 'p1', of: 1 })
  await answer(engine, leased, { data: { words: 7 } })
  expect(await job()).toMatchObject({
    status: 'finished',
    output: { words: 8, as_it_is: { $expr: '1 +' } },
    version: 2,
  })
})

test('conditions are asked in their order, and a text shows what is no text as JSON', async () => {
  const { engine, job } = await run(order, { pages: [{ name: 'one' }] })
  await answer(engine, await takeOne(engine, { skills: ['text.count'] }), { data: { words: 700 } })
  const waiting = await job()
  expect(waiting).toMatchObject({ status: 'waiting_for_human', data: { long: true } })
  expect(waiting.waiting).toMatchObject({ message: 'Count 1 pages of {"name":"one"}?', on: { yes: 'done', no: 'bad' } })
})

test('the input’s schema is enforced, references and all, with the path of the fault', async () => {
  const create = (input: { [key: string]: Json }) => run(order, input)
  await expect(create({ pages: [{ name: 'a' }, { name: 5 }] })).rejects.toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.input.pages.1.name',
  })
  await expect(create({ pages: [], more: 1 })).rejects.toMatchObject({ code: 'INVALID_BODY' })
  await expect(create({})).rejects.toMatchObject({ code: 'INVALID_BODY', path: 'body.input' })
  await expect(create({ pages: [], code: 'abc' })).rejects.toMatchObject({ path: 'body.input.code' })
})

test('the output’s schema and those of a skill’s params are enforced', async () => {
  const wrong = { ...order, ends: { ...order.ends, done: { output: { words: 'seven' } } } }
  const one = await run(wrong, { pages: [{ name: 'a' }] })
  await answer(one.engine, await takeOne(one.engine, { skills: ['text.count'] }), { data: { words: 1 } })
  expect(await one.job()).toMatchObject({ status: 'failed', error: { code: 'OUTPUT_INVALID' } })
  const label = doing(
    { dispatch: { skill: 's', params: { n: { $expr: 'input.n' } }, on: { success: 'done' } } },
    { skills: { s: { params: { type: 'object', properties: { n: { type: 'integer' } } } } } },
  )
  expect((await (await run(label, { n: 1.5 })).job()).error?.message).toContain('params.n')
  expect((await (await run(label, { n: 1 })).job()).status).toBe('waiting_for_worker')
})

test('an expression that fails ends the job at once, and names state, expression and reason', async () => {
  const { job } = await run(
    doing({ dispatch: { skill: 's', params: { url: { $expr: 'input.ulr' } }, on: { success: 'done' } } }),
    { url: 'x' },
  )
  expect(await job()).toMatchObject({ status: 'error', state: 'a', error: { code: 'EXPRESSION_FAILED' } })
  expect((await job()).error?.message).toBe(
    'the expression `input.ulr` at states.a.dispatch.params.url failed: No such key: ulr (column 7)',
  )
  const condition = await run(doing({ when: [{ if: 'input.n', go_to: 'done' }], fail: { message: 'no' } }), { n: 1 })
  expect((await condition.job()).error).toMatchObject({ code: 'EXPRESSION_FAILED' })
  expect((await condition.job()).error?.message).toContain('must be true or false')
})

test('a handler whose expressions take too long is broken off, and the process goes on', async () => {
  const { fleet, job } = await run(
    doing({ when: [{ if: 'input.t.matches("^(a+)+$")', go_to: 'done' }], fail: { message: 'no' } }),
    {
      t: `${'a'.repeat(60)}b`,
    },
  )
  await fleet.time.until(async () => isTerminal((await job()).status))
  expect((await job()).error?.message).toContain('it took longer than 250 ms')
})

test('children, ends in the middle, and failures with a text of their own', async () => {
  const parent = doing(
    {
      run_blueprint: {
        name: '{{ input.child }}',
        input: { n: { $expr: 'input.n + 1' } },
        on: { success: 'done', failure: 'no' },
      },
    },
    {
      name: 'parent',
      ends: { done: { output: { $expr: 'last.data' } }, no: { outcome: 'failed' } },
    },
  )
  const child = doing(
    {
      when: [{ if: 'input.n > 5', fail: { message: '{{ input.n }} is too many', code: 'TOO_MANY' } }],
      go_to: 'done',
    },
    { name: 'child', ends: { done: { output: [{ $expr: 'input.n' }] } } },
  )
  const fleet = createFleet([jsonBlueprint(parent), jsonBlueprint(child)])
  const engine = fleet.engine()
  const ended = async (n: number) => {
    const { id } = await create(engine, 'parent', { input: { child: 'child', n } })
    await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
    return engine.job(id, null)
  }
  expect((await ended(1)).output).toEqual([2])
  expect((await ended(9)).error).toEqual({ code: 'TOO_MANY', message: '10 is too many' })
})

test('an agent’s prompt and workspace are filled in', async () => {
  const { engine } = await run(
    doing({
      agent: {
        prompt: 'Summarise {{ input.title }}',
        config: { workspace: { files: [{ path: 'a.md', content: { $expr: 'input.text' } }] } },
        on: { success: 'done' },
      },
    }),
    { title: 'it', text: 'words' },
  )
  const leased = await takeOne(engine, { skills: ['agent.run'] })
  expect(leased.task).toMatchObject({
    params: { prompt: 'Summarise it', config: { workspace: { files: [{ path: 'a.md', content: 'words' }] } } },
    timeoutMs: 86_400_000,
  })
})

test('a document says how often a worker may be lost, of a task and of an agent; what is no number of losses is told with its place', async () => {
  const retry = { attempts: 2, losses: 7, elsewhere: true }
  const chosen = async (action: object) => {
    const { waiting } = await (await run(doing(action))).job()
    return waiting?.kind === 'task' ? waiting.task.retry : null
  }
  expect(await chosen({ dispatch: { skill: 'work', retry, on: { success: 'done' } } })).toMatchObject(retry)
  const agent = { prompt: 'go', on: { success: 'done' } }
  expect(await chosen({ agent: { ...agent, retry: { losses: 0 } } })).toMatchObject({ losses: 0 })
  expect(await chosen({ agent })).toMatchObject({ losses: AGENT_LOSSES })
  for (const losses of [-1, 1.5, 1_001, 'many', null])
    expect(faultsOf(doing({ dispatch: { skill: 'work', retry: { losses }, on: { success: 'done' } } }))).toEqual([
      expect.stringMatching(/^states\.\w+\.dispatch\.retry\.losses: /),
    ])
})

test('a list that is too long makes no tasks at all', async () => {
  const each = doing({ parallel: { each: 'input.l', task: { skill: 'work' }, into: 'done' } })
  const { engine, job } = await run(each, { l: Array.from({ length: 1_001 }, (_, at) => at) })
  expect((await job()).error?.message).toContain('1001 members')
  expect(await take(engine)).toEqual([])
})

test('the graph is that of any blueprint, its conditions named by their text', () => {
  const graph = graphOf(jsonBlueprint(order))
  expect(graph.start).toBe('count')
  expect(graph.edges).toContainEqual({ from: 'route', to: 'bad', condition: 'last.status == "failure"' })
  expect(graph.edges).toContainEqual({ from: 'route', to: 'ask', condition: 'long' })
  expect(jsonBlueprint(order).source).toEqual(order)
})

test('every fault of a document is told, with its place', () => {
  const broken = {
    ...order,
    input: { type: 'objekt', properties: { a: { pattern: '(' } }, $ref: '#/$defs/none' },
    states: {
      ...order.states,
      count: { dispatch: { skill: 's', params: { a: [{ $expr: '1 +' }], b: 'x {{ y' }, on: { success: 'route' } } },
      route: { when: [{ if: '1 + 1', go_to: 'done' }], go_to: 'bad' },
      ask: { finish: { output: { $expr: 'item' } } },
    },
  }
  const faults = faultsOf(broken)
  expect(faults).toHaveLength(7)
  expect(faults[0]).toMatch(/^input\.type: a type is one of/)
  expect(faults.some((each) => each.startsWith('input.properties.a.pattern: '))).toBe(true)
  expect(faults.some((each) => each.startsWith('input.$ref: only references inside'))).toBe(true)
  expect(faults).toContain('states.count.dispatch.params.a.0: in `1 +`: Unexpected token: EOF (column 4)')
  expect(faults).toContain('states.count.dispatch.params.b: "{{" at character 3 is not closed by "}}"')
  expect(faults).toContain('states.route.when.0.if: a condition is true or false, and this is int')
  expect(faults).toContain('states.ask.finish.output: in `item`: Unknown variable: item (column 1)')
})

test.each([
  ['no action', doing({}), /^states\.a: give exactly one of go_to, dispatch/],
  ['two actions', doing({ go_to: 'done', finish: {} }), /^states\.a: give exactly one/],
  ['a misspelt key', doing({ goto: 'done' }), /^states\.a: Unrecognized key: "goto"/],
  ['each without a task', doing({ parallel: { each: 'input.l', into: 'done' } }), /^states\.a\.parallel: give either/],
  [
    'tasks and each',
    doing({ parallel: { each: 'input.l', task: { skill: 's' }, tasks: [], into: 'done' } }),
    /^states\.a\.parallel: give either/,
  ],
  ['no duration', doing({ approval: { message: '', on: {}, timeout: 'soon' } }), /^states\.a\.approval\.timeout: /],
  ['a start that is not there', doing({ go_to: 'done' }, { start: 'b' }), /the start "b" is not one of the states/],
  ['a state that leads nowhere', doing({ go_to: 'nowhere' }), /leads to "nowhere", which is not declared/],
  ['another format', { ...doing({ go_to: 'done' }), format: 'tutti/v9' }, /^format: /],
  ['no document', null, /Invalid input/],
  ['a document like a tower', JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`), /more than 40 deep/],
  [
    'a document like a book',
    doing({ fail: { message: 'x', code: 'y' } }, { description: 'z'.repeat(300_000) }),
    /longer than 262144/,
  ],
  [
    'an expression that is no text',
    doing({ finish: { output: { $expr: 5 } } }),
    /^states\.a\.finish\.output\.\$expr: an expression is a text/,
  ],
])('refused: %s', (_, document, message) => {
  expect(faultsOf(document)[0]).toMatch(message)
})

test('a schema that runs in circles, or a pattern that takes for ever, refuses the value and not the process', async () => {
  const circle = doing(
    { go_to: 'done' },
    { input: { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' } },
  )
  await expect(run(circle, {})).rejects.toMatchObject({ code: 'INVALID_BODY' })
  const slow = doing({ go_to: 'done' }, { input: { properties: { t: { pattern: '^(a+)+$' } } } })
  await expect(run(slow, { t: `${'a'.repeat(60)}b` })).rejects.toMatchObject({ code: 'INVALID_BODY' })
  expect((await (await run(slow, { t: 'aaa' })).job()).status).toBe('finished')
})
