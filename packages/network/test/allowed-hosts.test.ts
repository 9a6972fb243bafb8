import { describe, expect, it } from 'vitest'
import { type AllowedHost, allowedBy, covers, readAllowedHost } from '../src/index.ts'

const list = (...texts: string[]): AllowedHost[] =>
  texts.map((text) => {
    const host = readAllowedHost(text)
    if (host === undefined) throw new Error(text)
    return host
  })

const hosts = list('example.com', '*.pkg.dev', 'git.example.org:22', '10.0.0.5:8443', '[2001:db8::1]:443')

it.each(['example.com:443', 'EXAMPLE.com:80', 'example.com.:443', 'a.pkg.dev:443', 'a.b.pkg.dev:443'])(
  '%s may be reached',
  (target) => expect(allowedBy(hosts, target)).toMatchObject({ literal: false }),
)

it.each(['10.0.0.5:8443', '[2001:db8::1]:443'])('%s is an address that is listed', (target) =>
  expect(allowedBy(hosts, target)).toMatchObject({ literal: true }),
)

it.each([
  ...[
    'pkg.dev:443',
    'evilpkg.dev:443',
    'example.com:22',
    'example.com:8443',
    'git.example.org:443',
    'sub.example.com:443',
  ],
  ...['10.0.0.5:443', '10.0.0.6:8443', 'example.com', 'example.com:', ':443', 'example.com:443/x', 'a@example.com:443'],
  ...['example.com:443:443', '*.pkg.dev:443', 'example.com\n:443', 'example.com#.pkg.dev:443', 'x y.pkg.dev:443'],
  ...['0x0a.0.0.5:8443', '167772165:8443', '012.0.0.5:8443', '10.5:8443', '2130706433.pkg.dev.1:443'],
])('%s may not', (target) => expect(allowedBy(hosts, target)).toBeUndefined())

it.each(['', '*', '*.com', 'http://example.com', 'a:0', 'a:65536', '*.10.0.0.5', 'a b', 'ex*mple.com', '0x7f.1'])(
  '“%s” is no entry',
  (text) => expect(readAllowedHost(text)).toBeUndefined(),
)

describe('what may be granted', () => {
  const grantable = list('*.pkg.dev', 'example.com', 'git.example.org:22')
  it.each(['a.pkg.dev', 'a.pkg.dev:443', '*.pkg.dev', '*.a.pkg.dev', 'example.com', 'git.example.org:22'])(
    '%s',
    (text) => expect(list(text).every((each) => covers(grantable, each))).toBe(true),
  )
  it.each(['pkg.dev', '*.example.com', 'a.pkg.dev:22', 'git.example.org', 'other.org', '*.dev.pkg'])(
    'but not %s',
    (text) => expect(list(text).every((each) => covers(grantable, each))).toBe(false),
  )
})
