import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Blueprint, BlueprintError, blueprint, createRegistry, graphOf, task, toDot } from '../src/index.ts'
import { toMs } from '../src/job/duration.ts'
import { backoffMs } from '../src/job/retry.ts'

const fine = (name = 'fine', version = 1, endpoint?: string): Blueprint =>
  blueprint({ name, version, ...(endpoint === undefined ? {} : { endpoint }) })
    .state('begin', { start: true, to: ['middle', 'rejected'] }, ({ goTo }) => goTo('middle'))
    .state('middle', { to: ['done', 'begin'] }, ({ goTo }) => goTo('done'))
    .end('done')
    .end('rejected', { outcome: 'failed' })

const faultsOf = (...blueprints: Blueprint[]): string[] => {
  try {
    createRegistry(blueprints)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(BlueprintError)
    return (error as BlueprintError).message.split('\n')
  }
}

test('a sound blueprint has no faults', () => {
  expect(faultsOf(fine(), fine('other'), fine('fine', 2))).toEqual([])
})

test('all faults are told at once, of every blueprint', () => {
  const broken = blueprint({ name: 'bro ken', version: 0 })
    .state('a', { to: ['nowhere', 'b'] }, ({ goTo }) => goTo('b'))
    .state('b', { to: [] }, ({ finish }) => finish())
    .state('b', { to: [] }, ({ finish }) => finish())
  const twice = blueprint({ name: 'twice' })
    .state('one', { start: true, to: ['end'] }, ({ goTo }) => goTo('end'))
    .state('two', { start: true, to: ['end'] }, ({ goTo }) => goTo('end'))
    .end('end')
  const island = blueprint({ name: 'island' })
    .state('home', { start: true, to: ['end'] }, ({ goTo }) => goTo('end'))
    .state('island', { to: ['end', 'beach'] }, ({ goTo }) => goTo('end'))
    .end('end')
    .end('beach')
  expect(faultsOf(broken, twice, island, fine(), fine())).toEqual([
    'blueprint "bro ken" v0: the name "bro ken" may hold only letters, digits, _ . -',
    'blueprint "bro ken" v0: the version must be a whole number from 1',
    'blueprint "bro ken" v0: the state "b" is declared more than once',
    'blueprint "bro ken" v0: no state is the start: give one { start: true }',
    'blueprint "bro ken" v0: there is no end state: add .end(…)',
    'blueprint "bro ken" v0: the state "a" leads to "nowhere", which is not declared',
    'blueprint "twice" v1: more than one start: one, two',
    'blueprint "island" v1: the state "island" can\'t be reached from "home"',
    'blueprint "island" v1: the state "beach" can\'t be reached from "home"',
    'blueprint "fine" v1 is there twice',
  ])
})

test('an endpoint belongs to one blueprint; its versions share it', () => {
  expect(faultsOf(fine('a', 1, '/jobs/x'), fine('a', 2, '/jobs/x'))).toEqual([])
  expect(faultsOf(fine('a', 1, '/jobs/x'), fine('b', 1, '/jobs/x'))).toEqual([
    'blueprint "b": the endpoint /jobs/x belongs to another blueprint',
  ])
})

test('the newest version is the one meant, older ones stay', () => {
  const registry = createRegistry([fine('b', 2), fine('b', 10), fine('b', 1), fine('a')])
  expect(registry.get('b')?.version).toBe(10)
  expect(registry.get('b', 2)?.version).toBe(2)
  expect(registry.get('b', 3)).toBeUndefined()
  expect(registry.get('constructor')).toBeUndefined()
  expect(registry.list().map((each) => `${each.name} ${each.version}`)).toEqual(['a 1', 'b 10'])
  expect(registry.get('b')?.start).toBe('begin')
})

test('a builder is immutable: what is added to one shows in no other', () => {
  const base = blueprint({ name: 'base' }).state('s', { start: true, to: ['end'] }, ({ goTo }) => goTo('end'))
  base.end('other')
  expect(base.ends).toEqual([])
})

test('the graph is exact', () => {
  expect(graphOf(fine('fine', 3))).toEqual({
    name: 'fine',
    version: 3,
    start: 'begin',
    states: [
      { name: 'begin', kind: 'start', outcome: null, undo: null },
      { name: 'middle', kind: 'state', outcome: null, undo: null },
      { name: 'done', kind: 'end', outcome: 'finished', undo: null },
      { name: 'rejected', kind: 'end', outcome: 'failed', undo: null },
    ],
    edges: [
      { from: 'begin', to: 'middle', condition: null },
      { from: 'begin', to: 'rejected', condition: null },
      { from: 'middle', to: 'done', condition: null },
      { from: 'middle', to: 'begin', condition: null },
    ],
  })
})

test('DOT survives names with quotes and backslashes', () => {
  const odd = blueprint({ name: 'odd' })
    .state('say "hi"', { start: true, to: ['back\\slash'] }, ({ goTo }) => goTo('back\\slash'))
    .end('back\\slash')
  expect(toDot(graphOf(odd))).toBe(
    [
      '// State Machine for odd',
      'digraph {',
      '  node [shape=box];',
      '  "say \\"hi\\"" [style="rounded,bold"];',
      '  "back\\\\slash" [style="rounded,filled"];',
      '  "say \\"hi\\"" -> "back\\\\slash";',
      '}',
      '',
    ].join('\n'),
  )
})

test('durations: numbers, and text with a unit, as whole milliseconds', () => {
  expect([toMs(5), toMs('500ms'), toMs('1.5s'), toMs('2m'), toMs('2h'), toMs('2d')]).toEqual([
    5, 500, 1_500, 120_000, 7_200_000, 172_800_000,
  ])
  expect([toMs(0.4), toMs('0.0006s')]).toEqual([0, 1])
  for (const wrong of ['5', '5 s', '-5s', 's', '1e3s', Number.NaN, -1, Number.POSITIVE_INFINITY])
    expect(() => toMs(wrong as number)).toThrow(RangeError)
})

test('back-off doubles up to its longest, and half of it is chance', () => {
  const policy = { attempts: 9, backoff: 'exponential', initialMs: 100, maxMs: 1_000, elsewhere: false } as const
  expect([1, 2, 3, 4, 5, 60].map((attempt) => backoffMs(policy, attempt, 1))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ])
  expect([0, 0.5, 1].map((random) => backoffMs(policy, 2, random))).toEqual([100, 150, 200])
  expect(backoffMs({ ...policy, backoff: 'fixed' }, 5, 1)).toBe(100)
})

test('a task is data: what JSON can not hold is gone at once, not after the next restart', () => {
  expect(task('s', { when: new Date(0), gone: undefined }, { timeout: '1s', concurrencyKey: 'k' })).toEqual({
    skill: 's',
    params: { when: '1970-01-01T00:00:00.000Z' },
    priority: null,
    timeoutMs: 1_000,
    needs: {},
    strategy: 'default',
    sticky: null,
    avoid: null,
    concurrencyLimit: 1,
    fairKey: null,
    pickupMs: null,
    resultMs: null,
    concurrencyKey: 'k',
    retry: null,
  })
})

test('types: a handler can only lead where its state declares, and sees the input its schema gives', () => {
  const typed = blueprint({ name: 'typed', input: z.object({ url: z.url(), pages: z.number() }) })
  typed.state('a', { to: ['b', 'c'] }, ({ goTo, input }) => {
    input.url.toUpperCase()
    // @ts-expect-error the schema has no such field
    input.uri
    // @ts-expect-error a number has no such method
    input.pages.toUpperCase?.()
    return goTo('b')
  })
  // @ts-expect-error a target that is not in `to`
  typed.state('a', { to: ['b'] }, ({ goTo }) => goTo('c'))
  typed.state('a', { to: ['b'] }, ({ dispatch }) =>
    // @ts-expect-error a route to a target that is not in `to`
    dispatch('s', {}, { on: { success: 'b', failure: 'c' } }),
  )
  // @ts-expect-error a join that is not in `to`
  typed.state('a', { to: ['b'] }, ({ parallel }) => parallel([], { into: 'c' }))
  // @ts-expect-error a decision that leads to a target that is not in `to`
  typed.state('a', { to: ['b'] }, ({ approval }) => approval({ message: '?', on: { yes: 'b', no: 'c' } }))
  // @ts-expect-error a child's route to a target that is not in `to`
  typed.state('a', { to: ['b'] }, ({ runBlueprint }) => runBlueprint('x', {}, { on: { success: 'c' } }))
  // @ts-expect-error no action
  typed.state('a', { to: ['b'] }, () => {})
  // @ts-expect-error a text is no duration
  typed.state('a', { to: ['b'] }, ({ dispatch }) => dispatch('s', {}, { on: { success: 'b' }, timeout: 'soon' }))
  typed.state('a', { to: ['b'] }, async ({ finish, fail }) =>
    Math.random() > 2 ? finish({ any: 'thing' }) : fail('no'),
  )
  typed.end('e', ({ results, last, data }) => [results.length, last?.status, data.anything])
  expect(typed.states).toEqual([])
})
