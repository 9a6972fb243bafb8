/** How names and priorities are written in Redis: nothing is lost, and sorted sets order them as the port wants. */
import { expect, test } from 'vitest'
import { nameText, parseName, priorityText } from '../src/redis/text.ts'

const inBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const units = [
  '',
  '\0',
  '\x1f',
  ' ',
  '!',
  '"',
  '#',
  '0',
  'A',
  '\\',
  'a',
  '{',
  '}',
  '~',
  '\x7f',
  'é',
  '\ud83d',
  '\ude00',
  '\ue000',
  '\uffff',
]
const names = units.flatMap((first) => units.flatMap((second) => units.map((third) => first + second + third)))

test('every name is written in printable ASCII without spaces, and read back as it was', () => {
  for (const name of names) {
    expect(nameText(name)).toMatch(/^[!-~]+$/)
    expect(parseName(nameText(name))).toBe(name)
  }
  expect(new Set(names.map(nameText)).size).toBe(new Set(names).size)
})

test('names keep their order by code unit', () => {
  const distinct = [...new Set(names)]
  // Sorting without a comparison goes by code unit.
  expect([...distinct].sort((a, b) => inBytes(nameText(a), nameText(b)))).toEqual([...distinct].sort())
})

test('the highest priority sorts first, whatever the number', () => {
  const priorities = [
    Number.MAX_VALUE,
    1e9,
    1_000,
    2.5,
    1,
    0.1,
    5e-324,
    0,
    -5e-324,
    -0.1,
    -1,
    -2.5,
    -1_000,
    -Number.MAX_VALUE,
  ]
  const written = priorities.map(priorityText)
  expect([...written].sort(inBytes)).toEqual(written)
  expect(new Set(written.map((text) => text.length))).toEqual(new Set([16]))
  expect(priorityText(-0)).toBe(priorityText(0))
})
