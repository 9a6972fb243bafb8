/** What was parsed once is sent on, stored and read again: a second parse must find what the first one made. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { schemaOf, wires } from './golden.ts'

const examples = wires.flatMap(([, messages]) =>
  messages.flatMap(({ schema, accepted }) =>
    accepted.flatMap(({ given }) => (given === undefined ? [] : [{ schema, given: given as unknown }])),
  ),
)

/** One change of a message: which of its places (counted from the top), and what is done there. */
const edit = fc.record({
  place: fc.nat({ max: 40 }),
  what: fc.oneof(
    fc.constant({ kind: 'remove' as const }),
    fc.record({ kind: fc.constant('replace' as const), value: fc.jsonValue() }),
    fc.record({ kind: fc.constant('add' as const), key: fc.string({ minLength: 1 }), value: fc.jsonValue() }),
  ),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

test('parse(serialise(parse(x))) is parse(x), and whatever comes is accepted or refused, never an exception', () => {
  let accepted = 0
  fc.assert(
    fc.property(fc.constantFrom(...examples), fc.array(edit, { maxLength: 3 }), ({ schema, given }, edits) => {
      const first = schemaOf(schema).safeParse(edits.reduce(applied, structuredClone(given)))
      if (!first.success) return
      accepted += 1
      // JSON knows no negative zero.
      const sent: unknown = JSON.parse(JSON.stringify(first.data))
      const second = schemaOf(schema).parse(sent)
      expect(JSON.parse(JSON.stringify(second))).toEqual(sent)
      expect(second).toEqual(schemaOf(schema).parse(second))
    }),
    { numRuns: 3000 },
  )
  expect(accepted).toBeGreaterThan(500)
})

type Container = Record<string, unknown> | unknown[]

const containersOf = (value: unknown): Container[] => {
  if (typeof value !== 'object' || value === null) return []
  return [value as Container, ...Object.values(value).flatMap(containersOf)]
}

const applied = (message: unknown, { place, what }: Edit): unknown => {
  const places = containersOf(message).flatMap((container) =>
    [...Object.keys(container), undefined].map((key) => ({ container, key })),
  )
  const found = places[place % Math.max(places.length, 1)]
  if (!found) return what.kind === 'replace' ? what.value : message
  const { container, key } = found
  if (Array.isArray(container)) {
    if (what.kind === 'remove') container.splice(Number(key ?? 0), 1)
    else if (what.kind === 'replace' && key !== undefined) container[Number(key)] = what.value
    else if (what.kind !== 'replace') container.push(what.value)
    return message
  }
  if (what.kind === 'add') container[what.key] = what.value
  else if (key === undefined) return message
  else if (what.kind === 'remove') delete container[key]
  else container[key] = what.value
  return message
}
