import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyJson } from '../src/job/copy-json.ts'

/** Every object and list inside a value, itself too. */
const partsOf = (value: unknown): object[] =>
  value === null || typeof value !== 'object' ? [] : [value, ...Object.values(value).flatMap(partsOf)]

test('a copy says the same as the original and shares nothing with it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      const original = JSON.parse(JSON.stringify(json)) as unknown
      const copy = copyJson(original)
      expect(JSON.stringify(copy)).toBe(JSON.stringify(original))
      const parts = new Set(partsOf(original))
      expect(partsOf(copy).filter((part) => parts.has(part))).toEqual([])
    }),
  )
})

test('a key __proto__ stays a key, and its value is copied too', () => {
  const original = JSON.parse('{"__proto__": {"admin": true}}') as object
  const copy = copyJson(original)
  expect(JSON.stringify(copy)).toBe('{"__proto__":{"admin":true}}')
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
  expect(Object.values(copy)[0]).not.toBe(Object.values(original)[0])
})
