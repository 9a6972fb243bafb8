/** The language of JSON blueprints: what it answers, and what a stranger can not make it do. */
import { expect, test } from 'vitest'
import { bounded, TooLongError } from '../src/blueprint/json/bounded.ts'
import { compileExpression, ExpressionError } from '../src/blueprint/json/expression.ts'

const variables = {
  input: { pages: 3, url: 'https://example.org/a', tags: ['a', 'b'], owner: { name: 'Ada' }, price: 1.5, ok: true },
  data: { score: 0.75 },
  results: [{ words: 2 }, null, { words: 5 }],
  last: null,
  client: { id: 'c', plan: 'gold', params: { limit: 10 } },
  job: { id: 'j', created_at: '2030-01-01T00:00:00.000Z' },
}

const evaluate = (text: string, more: object = {}) =>
  compileExpression(text, Object.keys(more).length > 0).evaluate({ ...variables, ...more })

test.each([
  ['input.pages + 1', 4],
  ['1 + input.pages', 4],
  ['input.pages / 2', 1.5],
  ['7 / 2', 3],
  ['input.pages % 2', 1],
  ['input.pages % 2.0', 1],
  ['input.price * 2', 3],
  ['2 - input.price', 0.5],
  ['size(results) - 1', 2],
  ['data.score > 0.5 && input.pages >= 3', true],
  ['input.tags[1]', 'b'],
  ['input.tags.map(t, t + "!")', ['a!', 'b!']],
  ['results.filter(r, r != null).map(r, r.words)', [2, 5]],
  ['results.exists(r, r != null && r.words > 4)', true],
  ['input.tags.join(", ")', 'a, b'],
  ['input.url.split("/").size()', 4],
  ['has(input.missing) ? input.missing : "none"', 'none'],
  ['last == null', true],
  ['{"a": [1, "b", null], "c": input.owner}', { a: [1, 'b', null], c: { name: 'Ada' } }],
  ['client.params.limit - input.pages', 7],
  ['timestamp(job.created_at) + duration("1h")', '2030-01-01T01:00:00.000Z'],
  ['"page " + string(input.pages)', 'page 3'],
  ['input.url.matches("^https?://")', true],
  ['9007199254740991', 9007199254740991],
  ['input', variables.input],
])('%s', (text, value) => {
  expect(evaluate(text)).toEqual(value)
})

test('members of a list, and where they stand, are seen inside of `each` only', () => {
  expect(evaluate('item + string(index + 1)', { item: 'p', index: 1n })).toBe('p2')
  expect(() => compileExpression('item', false)).toThrow(/Unknown variable: item \(column 1\)/)
})

test.each([
  ['1 +', /column 4/],
  ['input..url', /column 7/],
  ['nowhere.url', /Unknown variable: nowhere \(column 1\)/],
  ['input.pages.sqrt()', /there is no method sqrt \(column 1\)/],
  ['eval("1")', /there is no function eval/],
  ['input.tags.reverse()', /there is no method reverse/],
  ['evaluatorOfThis()', /there is no function evaluatorOfThis/],
  ['cel.bind(a, 1, a)', /there is no method bind/],
  ['"a" + 1', /no such overload/],
  ['b"bytes".size()', /there are no bytes/],
  [`"${'x'.repeat(2_000)}"`, /longer than 2000/],
  [`${'('.repeat(60)}1${')'.repeat(60)}`, /depth/i],
  [Array.from({ length: 900 }, () => '1').join('+'), /./],
])('refused when it is registered: %.40s', (text, message) => {
  expect(() => compileExpression(text, false)).toThrow(ExpressionError)
  expect(() => compileExpression(text, false)).toThrow(message)
})

test.each([
  'input.__proto__',
  'input["__proto__"]',
  'input.constructor',
  'input["constructor"]["constructor"]',
  'input.tags.constructor',
  'input.url.constructor',
  'input.toString',
  'data.hasOwnProperty',
  'input.tags.length',
])('there is no way to what lies behind a value: %s', (text) => {
  expect(() => evaluate(text)).toThrow(/No such key|cannot index/i)
})

test('keys that would change what an object is are only keys', () => {
  const value = evaluate('{"__proto__": {"admin": true}, "constructor": 1, "a": 1}') as object
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect('admin' in value).toBe(false)
  const parsed = evaluate('input', {})
  expect(parsed).toEqual(variables.input)
})

test.each([
  ['9007199254740993', /exactly/],
  ['9223372036854775807 + 1', /overflow/],
  ['1 / 0', /zero/],
  ['input.pages / 0', /can't be written in JSON/],
  ['input.missing', /No such key: missing \(column 7\)/],
  ['last.status', /No such key/],
  ['input.pages ? 1 : 2', /bool/],
  ['input.tags[7]', /out of bounds/],
])('fails when it runs, and says why: %s', (text, message) => {
  expect(() => evaluate(text)).toThrow(ExpressionError)
  expect(() => evaluate(text)).toThrow(message)
})

const many = Array.from({ length: 2_000 }, (_, at) => at)
const words = many.map((at) => `word number ${at}`)
const heap = (): number => process.memoryUsage().heapUsed

test.each([
  ['loops in loops', 'input.many.all(a, input.many.all(b, input.many.all(c, true)))'],
  ['loops whose errors are swallowed', 'input.many.exists(a, input.many.exists(b, input.many.exists(c, false)))'],
  ['a list that doubles', `[input.many]${'.map(x, x + x)'.repeat(30)}`],
  ['a text that doubles', `["0123456789"]${'.map(x, x + x)'.repeat(30)}`],
  ['a text that doubles by join', `["0123456789"]${'.map(x, [x, x].join(""))'.repeat(30)}`],
  ['one long text many times, joined', '[input.words.join("")].map(t, input.many.map(n, t)).map(l, l.join(""))'],
  ['a list of lists', 'input.many.map(a, input.many.map(b, [a, b, "text"]))'],
  ['splits in a loop', 'input.many.map(n, input.words.join(" ").split(""))'],
])('hostile, and broken off: %s', (_, text) => {
  const before = heap()
  const started = performance.now()
  const expression = compileExpression(text, false)
  expect(() => expression.evaluate({ ...variables, input: { many, words } })).toThrow(/it (takes|makes) more than/)
  // Measured: 5 to 60 ms. What it is not is minutes, or the end of the process.
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(heap() - before).toBeLessThan(500_000_000)
})

test('a separator as long as a book is refused', () => {
  const book = 'x'.repeat(101)
  expect(() => evaluate('input.tags.join(data.book)', { data: { book }, item: 1, index: 1n })).toThrow(/separator/)
})

test('a-busy-machine: work that is kept from its core for longer than its limit is not told to take too long', () => {
  const never = new Int32Array(new SharedArrayBuffer(4))
  const waits = (ms: number) => bounded(() => Atomics.wait(never, 0, 0, ms), 20)
  expect(waits(70)).toBe('timed-out')
  // Not for ever, though.
  expect(() => waits(10_000)).toThrow(TooLongError)
})

test('a regular expression that would run for hours is broken off', () => {
  const expression = compileExpression('input.text.matches("^(a+)+$")', false)
  const input = { text: `${'a'.repeat(60)}b` }
  expect(() => bounded(() => expression.evaluate({ ...variables, input }), 50)).toThrow(TooLongError)
  // Afterwards everything works as before.
  expect(bounded(() => evaluate('input.pages + 1'), 50)).toBe(4)
  expect(() => bounded(() => bounded(() => expression.evaluate({ ...variables, input }), 20), 1_000)).toThrow(
    TooLongError,
  )
})

test('an expression that was broken off in the middle of a loop answers rightly the next time', () => {
  const expression = compileExpression('input.list.filter(t, t.matches("^(a+)+$")).map(t, t + "!")', false)
  const slow = `${'a'.repeat(60)}b`
  for (let turn = 0; turn < 3; turn += 1) {
    expect(() => bounded(() => expression.evaluate({ ...variables, input: { list: ['a', slow, 'aa'] } }), 20)).toThrow(
      TooLongError,
    )
    expect(expression.evaluate({ ...variables, input: { list: ['a', 'b', 'aa'] } })).toEqual(['a!', 'aa!'])
  }
})

test('an evaluation that was broken off leaves the next one its whole budget', () => {
  const near = compileExpression('input.many.all(a, a >= 0)', false)
  const over = compileExpression('input.many.all(a, input.many.all(b, true))', false)
  for (let turn = 0; turn < 3; turn += 1) {
    expect(() => over.evaluate({ ...variables, input: { many } })).toThrow(/steps/)
    expect(near.evaluate({ ...variables, input: { many } })).toBe(true)
  }
})
