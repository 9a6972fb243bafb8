/** What a stranger, a broken client or an attacker puts where something else is expected. */
import fc from 'fast-check'

const deep = (levels: number, open: string, close: string): string => open.repeat(levels) + close.repeat(levels)

/** Texts that hurt: what databases, file systems, logs, shells and parsers stumble over. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    'a\udc00b',
    '\uffff\u202e',
    '../../../../etc/passwd',
    '..\\..\\windows',
    '/etc/passwd',
    '%00',
    '%2e%2e%2f',
    "'; drop table workbench.sessions; --",
    '" or 1=1 --',
    '$1',
    '%s%s%n',
    '{{7*7}}',
    '$(id)',
    '<script>alert(1)</script>',
    'a\r\nset-cookie: x=1',
    'NaN',
    '1e999',
    '-0',
    '9223372036854775808',
    '00000000-0000-0000-0000-000000000000',
    '2026-02-31T25:61:61Z',
    '+275760-09-13T00:00:00.001Z',
    '-000001-01-01T00:00:00Z',
    '9999-12-31T23:59:60+14:00',
    '294277-01-01T00:00:00Z',
    'Europe/Nowhere',
    '__proto__',
    'constructor',
    'toString',
    'é'.normalize('NFD').repeat(50),
    'x'.repeat(70_000),
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ maxLength: 20 }),
)

export const hostileNumber: fc.Arbitrary<number> = fc.constantFrom(
  ...[-1, 0, -0, 0.5, 1e-320, 1e308, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, -(2 ** 63)],
)

/** Deeper than what goes down by recursion can follow. */
const nested = (levels: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

/** JSON of any kind, as a value. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  hostileNumber,
  fc.constantFrom(null, true, false, [], {}, [[]], [null], { toString: 1 }, { constructor: { prototype: {} } }),
  fc.array(hostileText, { maxLength: 3 }),
  fc.constant(nested(3_000)),
  fc.jsonValue({ maxDepth: 3 }),
)

/** Bodies that are no value of anything: broken, deep, doubled, poisoned. */
export const hostileBody: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '{',
    '{"prompt":',
    '"',
    '[1,',
    'null',
    '0',
    'undefined',
    '\0',
    '\ufeff{}',
    '{"a":1,"a":2}',
    '{"prompt":"a","prompt":{"b":1}}',
    '{"__proto__":{"admin":true}}',
    '{"prompt":"a","__proto__":{"user_id":"bob"}}',
    '{"constructor":{"prototype":{"admin":true}}}',
    '{"prompt":"\\ud800"}',
    '{"prompt":"\\u0000"}',
    '{"a":1e999}',
    `{"a":${'9'.repeat(5_000)}}`,
    deep(20_000, '[', ']'),
    deep(20_000, '{"a":', '}').replace('}', '1}'),
    `{"config":${deep(3_000, '[', ']')}}`,
    `[${'0,'.repeat(20_000)}0]`,
    'prompt=hello&session_id=1',
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
  ),
  fc.string({ unit: 'binary', maxLength: 300 }),
)

/** Headers that change what a request means. */
export const hostileHeaders: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Record<string, string>>(
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      { 'content-type': 'multipart/form-data; boundary=x' },
      { 'content-type': 'application/json; charset=utf-16' },
      { 'content-type': '' },
      { 'content-type': 'nonsense' },
      { 'content-encoding': 'gzip' },
      { 'x-request-id': 'a'.repeat(500) },
      { 'x-request-id': '<b>' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { host: 'evil.example' },
      { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'evil.example' },
      { 'x-user-id': 'bob' },
      { 'last-event-id': 'x' },
      { 'last-event-id': '1e400' },
      { expect: '100-continue' },
      { range: 'bytes=-1' },
      { 'if-none-match': '"' },
      { accept: 'text/html' },
      { 'accept-encoding': 'nonsense' },
      { 'x-many': 'y'.repeat(12_000) },
      { cookie: 'a='.repeat(20_000) },
      { upgrade: 'h2c' },
      { 'transfer-encoding': 'chunked' },
    ),
  },
)
