import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Blueprint, blueprint, blueprintDiff, diffText } from '../src/index.ts'

const v1 = blueprint({
  name: 'order',
  version: 1,
  endpoint: '/orders',
  input: z.object({
    pages: z.number(),
    note: z.string().optional(),
    kind: z.enum(['a', 'b']),
    list: z.array(z.string()),
  }),
})
  .state('check', { start: true, to: ['print', 'bad'] }, ({ goTo }) => goTo('print'))
  .when('check', { name: 'huge', if: () => false, to: ['bad'] }, ({ goTo }) => goTo('bad'))
  .state('print', { to: ['done'] }, ({ goTo }) => goTo('done'))
  .end('done')
  .end('bad', { outcome: 'failed' })

const v2 = blueprint({
  name: 'order',
  version: 2,
  input: z.strictObject({
    pages: z.number().max(100),
    kind: z.enum(['a', 'c']),
    list: z.array(z.number()),
    owner: z.string(),
    more: z.string().optional(),
  }),
})
  .state('check', { start: true, to: ['pack', 'bad'] }, ({ goTo }) => goTo('pack'))
  .state('pack', { to: ['done'], undo: 'unpack' }, ({ goTo }) => goTo('done'))
  .undo('unpack', ({ undone }) => undone())
  .end('done')
  .end('bad')

test('states, edges and ends: what came, what went, what changed', () => {
  expect(blueprintDiff(v1, v2)).toEqual({
    from: { name: 'order', version: 1 },
    to: { name: 'order', version: 2 },
    endpoint: { from: '/orders', to: null },
    states: { added: ['pack', 'unpack'], removed: ['print'] },
    edges: {
      added: ['check -> pack', 'pack -> done'],
      removed: ['check -> bad [huge]', 'check -> print', 'print -> done'],
    },
    changed: [{ state: 'bad', what: 'outcome: failed -> finished' }],
    breaking: [
      'input.owner: is required now',
      'input.note: is not taken any more',
      'input.pages: maximum is 100 now',
      'input.kind: does not take "b" any more',
      'input.list[]: was string, is number',
    ],
    migration: { needsState: true, states: ['print'] },
  })
})

test('the same is the same, and what only takes more breaks nobody', () => {
  const same = blueprintDiff(v1, { ...v1, version: 2 })
  expect(same).toMatchObject({
    breaking: [],
    changed: [],
    endpoint: null,
    migration: { needsState: false, states: [] },
  })
  expect(diffText(same)).toBe('order v1 -> order v2: the same graph and input\n')
  const wider = blueprint({
    name: 'order',
    version: 2,
    input: z.object({
      pages: z.union([z.number(), z.string()]).optional(),
      kind: z.enum(['a', 'b', 'c']),
      list: z.array(z.string()).optional(),
    }),
  })
  const withStates: Blueprint = { ...wider, states: v1.states, ends: v1.ends }
  expect(blueprintDiff(v1, withStates).breaking).toEqual([])
})

test('a state that became an end can not be gone on from', () => {
  const ending = blueprint({ name: 'order', version: 3 })
    .state('check', { start: true, to: ['print'] }, ({ goTo }) => goTo('print'))
    .end('print')
  const { migration, breaking } = blueprintDiff(v1, ending)
  expect(migration).toEqual({ needsState: true, states: ['done', 'bad', 'print'] })
  expect(breaking).toEqual([])
  expect(blueprintDiff(ending, v1).breaking).toEqual(['input: was not checked before'])
  expect(diffText(blueprintDiff(v1, ending))).toMatch(
    /- state done[\s\S]*~ state print, kind: state -> end[\s\S]*need a state named/,
  )
})
