/** Which of several waiting workers get a task. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Candidate, chooseWorkers } from '../src/hand-out/strategy.ts'
import { strategies } from '../src/index.ts'

interface Named extends Candidate {
  name: string
}

const candidate = (name: string, place: number, patch: Partial<Candidate> = {}): Named => ({
  name,
  place,
  warm: false,
  price: 1,
  reputation: 1,
  held: 0,
  ...patch,
})
const order = (strategy: string, ...candidates: Named[]): string =>
  chooseWorkers(strategy, candidates, candidates.length, 3)
    .map((each) => each.name)
    .join(' ')

test('default: warm, then cheapest, then fewest held, then whoever has waited longest', () => {
  const line = [
    candidate('late', 9),
    candidate('early', 1),
    candidate('busy', 0, { held: 1 }),
    candidate('dear', 0, { price: 2 }),
    candidate('unpriced', 0, { price: null }),
    candidate('warm', 10, { warm: true, price: 5 }),
  ]
  expect(order('default', ...line)).toBe('warm early late busy dear unpriced')
  expect(order('whatever', ...line)).toBe(order('default', ...line))
})

test('round_robin: whoever has waited longest', () => {
  expect(order('round_robin', candidate('b', 2, { warm: true, price: 0 }), candidate('a', 1, { held: 9 }))).toBe('a b')
})

test('least_connections: fewest tasks held', () => {
  expect(order('least_connections', candidate('two', 1, { held: 2 }), candidate('none', 9, { price: 9 }))).toBe(
    'none two',
  )
})

test('cheapest: the price alone; no price is the dearest', () => {
  const line = [candidate('none', 0, { price: null }), candidate('free', 3, { price: 0, held: 9 }), candidate('one', 1)]
  expect(order('cheapest', ...line)).toBe('free one none')
})

test('best_value: price by reputation; nothing is of value from who is trusted in nothing', () => {
  const line = [
    candidate('fallen', 0, { price: 0, reputation: 0 }),
    candidate('doubted', 1, { price: 1, reputation: 0.4 }),
    candidate('sound', 2, { price: 2, reputation: 1 }),
  ]
  expect(order('best_value', ...line)).toBe('sound doubted fallen')
})

test('overflow: the cheapest until it holds so many, then the next; when all do, the one that holds fewest', () => {
  const cheap = (held: number) => candidate('cheap', 1, { price: 1, held })
  const dear = (held: number) => candidate('dear', 2, { price: 2, held })
  expect(order('overflow', dear(0), cheap(2))).toBe('cheap dear')
  expect(order('overflow', dear(0), cheap(3))).toBe('dear cheap')
  expect(order('overflow', dear(5), cheap(4))).toBe('cheap dear')
  expect(order('overflow', dear(3), cheap(4))).toBe('dear cheap')
})

test('every strategy: so many as asked for, the same whatever the order of the candidates, ties to the longest wait', () => {
  const any = fc.record({
    warm: fc.boolean(),
    price: fc.option(fc.integer({ min: 0, max: 3 })),
    reputation: fc.constantFrom(0, 0.3, 1),
    held: fc.integer({ min: 0, max: 5 }),
  })
  fc.assert(
    fc.property(
      fc.constantFrom(...strategies),
      fc.array(any, { maxLength: 8 }),
      fc.nat({ max: 9 }),
      (strategy, line, n) => {
        const candidates = line.map((each, place) => ({ ...each, place }))
        const chosen = chooseWorkers(strategy, candidates, n, 3)
        expect(chosen).toHaveLength(Math.min(n, line.length))
        expect(chooseWorkers(strategy, [...candidates].reverse(), n, 3)).toEqual(chosen)
        const twins = [5, 2, 8].map((place) => ({
          ...(line[0] ?? { warm: true, price: 1, reputation: 1, held: 0 }),
          place,
        }))
        expect(chooseWorkers(strategy, twins, 1, 3)[0]?.place).toBe(2)
      },
    ),
  )
})
