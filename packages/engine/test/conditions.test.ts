/** Conditional handlers, states that undo others, and the schemas of a blueprint: what runs, what is refused. */
import { isTerminal, type JsonObject } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  type Blueprint,
  blueprint,
  checkEvent,
  checkResult,
  createRegistry,
  graphOf,
  type LoadedBlueprint,
  task,
  toDot,
} from '../src/index.ts'
import { answer, create, createFleet, takeOne } from './fleet.ts'

const ended = async (tested: Blueprint, patch: Parameters<typeof create>[2] = {}) => {
  const fleet = createFleet([tested])
  const engine = fleet.engine({ settings: { handlerAttempts: 1 } })
  const { id } = await create(engine, tested.name, patch)
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  return engine.job(id, null)
}

const asked: string[] = []
const routed = blueprint({ name: 'routed', input: z.object({ amount: z.number() }) })
  .state('route', { start: true, to: ['small'] }, ({ goTo }) => goTo('small'))
  .when(
    'route',
    {
      name: 'huge',
      if: ({ input }) => {
        asked.push('huge')
        return input.amount > 1_000
      },
      to: ['huge'],
    },
    ({ goTo, client }) => goTo('huge', { plan: client.plan, limit: client.params.limit }),
  )
  .when(
    'route',
    {
      if: ({ input }) => {
        asked.push('second')
        return input.amount > 100
      },
      to: ['large'],
    },
    ({ goTo }) => goTo('large'),
  )
  .end('small', () => 'small')
  .end('large', () => 'large')
  .end('huge', ({ data }) => data)

test('the first condition that holds runs its handler, in the order of declaration; none runs the default', async () => {
  asked.length = 0
  const clientFacts = { plan: 'gold', params: { limit: 5 } }
  expect(await ended(routed, { input: { amount: 5_000 }, clientFacts })).toMatchObject({
    status: 'finished',
    state: 'huge',
  })
  expect(asked).toEqual(['huge'])
  expect((await ended(routed, { input: { amount: 500 } })).output).toBe('large')
  expect((await ended(routed, { input: { amount: 5 } })).output).toBe('small')
  expect(asked).toEqual(['huge', 'huge', 'second', 'huge', 'second'])
})

test('a state with conditions only, none of which holds, is an error at once', async () => {
  const only = blueprint({ name: 'only' })
    .state('route', { start: true, to: [] })
    .when('route', { name: 'never', if: () => false, to: ['done'] }, ({ goTo }) => goTo('done'))
    .end('done')
  const job = await ended(only)
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(job.error?.message).toMatch(/no condition of "route" holds \(never\)/)
})

test('a condition that throws, or does not answer, never counts as false', async () => {
  const withCondition = (holds: () => boolean) =>
    blueprint({ name: 'b' })
      .state('route', { start: true, to: ['paid'] }, ({ goTo }) => goTo('paid'))
      .when('route', { name: 'review', if: holds, to: ['review'] }, ({ goTo }) => goTo('review'))
      .end('paid')
      .end('review')
  const thrown = await ended(
    withCondition(() => {
      throw new Error('no amount')
    }),
  )
  expect(thrown).toMatchObject({ status: 'quarantined', state: 'route' })
  expect(thrown.error?.message).toContain('no amount')
  const promised = await ended(withCondition((() => Promise.resolve(false)) as unknown as () => boolean))
  expect(promised).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
})

test('a conditional handler can lead only where it declares, not where its state’s default does', async () => {
  const stray = blueprint({ name: 'stray' })
    .state('route', { start: true, to: ['one'] }, ({ goTo }) => goTo('one'))
    // @ts-expect-error `to` of this handler has no "one"
    .when('route', { if: () => true, to: ['two'] }, ({ goTo }) => goTo('one'))
    .end('one')
    .end('two')
  expect((await ended(stray)).error?.message).toMatch(/leads to "one"/)
  // @ts-expect-error no state of that name was declared before
  expect(() => blueprint({ name: 'x' }).when('a', { if: () => true, to: [] }, ({ finish }) => finish())).toThrow(
    /before/,
  )
})

const paid = blueprint({ name: 'paid' })
  .state('charge', { start: true, to: ['ship'], undo: 'refund' }, ({ goTo }) => goTo('ship'))
  .state('ship', { to: ['done'] }, ({ goTo }) => goTo('done'))
  .undo('refund', ({ goTo }) => goTo('tell'), { to: ['tell'] })
  .undo('tell', ({ finish }) => finish())
  .end('done')

test('the graph names conditions and what undoes what', () => {
  const graph = graphOf(routed)
  expect(graph.edges).toEqual([
    { from: 'route', to: 'huge', condition: 'huge' },
    { from: 'route', to: 'large', condition: 'condition 2' },
    { from: 'route', to: 'small', condition: null },
  ])
  expect(toDot(graph)).toContain('"route" -> "huge" [label="huge"];')
  expect(
    graphOf(paid)
      .states.filter(({ kind }) => kind === 'undo')
      .map(({ name }) => name),
  ).toEqual(['refund', 'tell'])
  expect(toDot(graphOf(paid))).toContain('"charge" -> "refund" [style="dashed",label="undo"];')
})

test('what undoes is apart from what does', () => {
  const faults = (tested: Blueprint): string => {
    try {
      createRegistry([tested])
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(faults(paid)).toBe('')
  const broken = blueprint({ name: 'broken' })
    .state('a', { start: true, to: ['b', 'done'], undo: 'b' }, ({ goTo }) => goTo('b'))
    .state('b', { to: ['c'], undo: 'nowhere' }, ({ goTo }) => goTo('c'))
    .undo('c', ({ goTo }) => goTo('done'), { to: ['done'] })
    .state('d', { to: [] })
    .end('done')
  const told = faults(broken)
  expect(told).toContain('the state "a" is undone by "b", which is not declared with .undo(…)')
  expect(told).toContain('"b" is undone by "nowhere"')
  expect(told).toContain('the state "b" leads to "c", which is only there to undo')
  expect(told).toContain('the state "c" undoes, and leads to "done", which does not')
  expect(told).toContain('the state "c" undoes nothing')
  expect(told).toContain('the state "d" has no handler')
})

test('the output is checked, of an end and of finish alike, and the place of the fault is named', async () => {
  const giving = (total: unknown, early: boolean) =>
    blueprint({
      name: 'giving',
      output: z.object({ sum: z.object({ total: z.number(), unit: z.string().default('EUR') }) }),
    })
      .state('a', { start: true, to: ['done'] }, ({ goTo, finish }) =>
        early ? finish({ sum: { total } }) : goTo('done'),
      )
      .end('done', () => ({ sum: { total } }))
  for (const early of [true, false]) {
    expect((await ended(giving(5, early))).output).toEqual({ sum: { total: 5, unit: 'EUR' } })
    const job = await ended(giving('five', early))
    expect(job).toMatchObject({ status: 'failed', error: { code: 'OUTPUT_INVALID' } })
    expect(job.error?.message).toContain('output.sum.total')
  }
})

const contract = blueprint({
  name: 'contract',
  skills: {
    'work.cut': {
      params: z.object({ size: z.number(), unit: z.string().default('px') }),
      result: z.object({ url: z.string() }),
    },
  },
  events: { paid: z.object({ amount: z.number() }) },
})

test('params of a task are checked before it is handed out, one by one, and completed', async () => {
  const cut = (sizes: unknown[]) =>
    contract
      .state('a', { start: true, to: ['done'] }, ({ parallel }) =>
        parallel(
          sizes.map((size) => task('work.cut', { size })),
          { into: 'done' },
        ),
      )
      .end('done')
  const job = await ended(cut([1, 'wide']))
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(job.error?.message).toContain('tasks.1.params.size')
  const fleet = createFleet([cut([7])])
  const engine = fleet.engine()
  await create(engine, 'contract')
  expect((await takeOne(engine, { skills: ['work.cut'] })).task.params).toEqual({ size: 7, unit: 'px' })
})

test('a result that breaks its skill’s contract is the worker’s failure; one that keeps it is completed', async () => {
  const cut = blueprint({
    name: 'cut',
    skills: { work: { result: z.object({ url: z.string(), pages: z.number().default(1) }) } },
  })
    .state('a', { start: true, to: ['done', 'bad'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'done', failure: 'bad' } }),
    )
    .end('done')
    .end('bad', ({ last }) => last?.error?.code, { outcome: 'failed' })
  const fleet = createFleet([cut])
  const engine = fleet.engine()
  const answered = async (data: JsonObject) => {
    const { id } = await create(engine, 'cut')
    expect(await answer(engine, await takeOne(engine), { data })).toEqual({ status: 'accepted' })
    return engine.job(id, null)
  }
  expect((await answered({ url: 'x' })).output).toEqual({ url: 'x', pages: 1 })
  const broken = await answered({ url: 5 })
  expect(broken).toMatchObject({ status: 'failed', state: 'bad', output: 'CONTRACT_VIOLATION_ERROR' })
  expect(broken.error?.message).toContain('data.url')
})

test('results and events are checked by name; an event that no schema names is refused where any is named', () => {
  expect(checkResult(contract, 'work.cut', { url: 'x' })).toEqual({ value: { url: 'x' } })
  expect(checkResult(contract, 'work.cut', { url: 5 })).toMatchObject({ path: ['url'] })
  expect(checkResult(contract, 'constructor', 5)).toEqual({ value: 5 })
  expect(checkEvent(contract, 'paid', { amount: 5 })).toEqual({ value: { amount: 5 } })
  expect(checkEvent(contract, 'paid', {})).toMatchObject({ path: ['amount'] })
  expect(checkEvent(contract, 'piad', {})).toMatchObject({ fault: 'unknown event: it takes paid' })
  expect(checkEvent(routed, 'anything', 5)).toEqual({ value: 5 })
})

test('files: without a place for them the first use says so', async () => {
  const writing = blueprint({ name: 'writing' })
    .state('a', { start: true, to: ['done'] }, async ({ files, goTo }) => {
      await files.writeText('a.txt', 'x')
      return goTo('done')
    })
    .end('done')
  expect((await ended(writing)).error?.message).toMatch(/files.writeText: this server has no place for files/)
})

const stored = (log: string[], open: () => Promise<JsonObject>) =>
  blueprint({
    name: 'stored',
    stores: {
      cache: {
        open: async () => {
          log.push('open')
          return new Map<string, number>(Object.entries((await open()) as Record<string, number>))
        },
        close: (cache: Map<string, number>) => {
          log.push(`close ${cache.size}`)
        },
      },
    },
  })
    .state('a', { start: true, to: ['done'] }, async ({ stores, job, goTo }) => {
      stores.cache.set(job.id, 1)
      log.push('run')
      return goTo('done', { seen: stores.cache.size })
    })
    .end('done')

test('a data store is opened once for all jobs, and closed when the engine stops, after its handlers', async () => {
  const log: string[] = []
  const fleet = createFleet([stored(log, async () => ({ warm: 1 }))])
  const engine = fleet.engine()
  const jobs = await engine.create([1, 2, 3].map(() => ({ blueprint: 'stored', input: {}, client: 'c' })))
  await fleet.time.until(async () => (await engine.job(jobs[2]?.id ?? '', null)).status === 'finished')
  expect(log).toEqual(['open', 'run', 'run', 'run'])
  const stopping = engine.stop()
  await fleet.time.settle()
  await stopping
  expect(log.at(-1)).toBe('close 4')
})

test('a data store that can’t be opened is told by name, and tried again with the handler', async () => {
  const log: string[] = []
  let tries = 0
  const flaky = stored(log, async () => {
    tries += 1
    if (tries === 1) throw new Error('connection refused')
    return {}
  })
  const fleet = createFleet([flaky])
  const engine = fleet.engine()
  const { id } = await create(engine, 'stored')
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  expect((await engine.job(id, null)).status).toBe('finished')
  const failed = (await engine.events(id, 0, 100)).find((event) => event.type === 'handler_failed')
  expect(JSON.stringify(failed?.data)).toContain(
    'the data store \\"cache\\" of the blueprint \\"stored\\" v1 could not be opened: connection refused',
  )
})

test('a replaced definition’s store is closed when its last handler has ended, and the new one opens its own', async () => {
  const log: string[] = []
  let finishIt = (): void => {}
  const slow = (label: string, wait: boolean) =>
    blueprint({
      name: 'b',
      stores: { s: { open: () => label, close: (each: string) => void log.push(`close ${each}`) } },
    })
      .state('a', { start: true, to: ['done'] }, async ({ stores, finish }) => {
        if (wait)
          await new Promise<void>((resolve) => {
            finishIt = resolve
          })
        return finish(stores.s)
      })
      .end('done', () => label)
      .state('z', { to: ['done'] }, ({ goTo }) => goTo('done'))
  const sound = (label: string, wait: boolean): Blueprint => {
    const made = slow(label, wait)
    return {
      ...made,
      states: made.states.filter(({ name }) => name === 'a').map((state) => ({ ...state, to: ['done'] })),
    }
  }
  const fleet = createFleet([])
  const engine = fleet.engine()
  engine.blueprints.replace('dir', [sound('one', true)])
  const { id } = await fleet.time.during(create(engine, 'b'))
  const former = engine.blueprints.get('b') as LoadedBlueprint
  engine.blueprints.replace('dir', [{ ...sound('two', false), endpoint: '/changed' }])
  expect(engine.blueprints.get('b')).not.toBe(former)
  await fleet.time.settle()
  expect(log).toEqual([])
  finishIt()
  await fleet.time.until(async () => (await engine.job(id, null)).status === 'finished')
  expect((await engine.job(id, null)).output).toBe('one')
  await fleet.time.until(() => log.length > 0)
  expect(log).toEqual(['close one'])
  expect(await create(engine, 'b').then(async (job) => (await engine.job(job.id, null)).output)).toBe('two')
})
