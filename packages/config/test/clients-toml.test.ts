import { describe, expect, it } from 'vitest'
import { formatFaults, hashToken, readClients } from '../src/index.ts'

const read = (text: string) => readClients({ text, name: 'clients.toml' })
const faultsOf = (text: string) => read(text).faults ?? []

describe('a valid clients.toml', () => {
  it('keeps every field without a meaning of its own as a param', () => {
    const { clients } = read(
      `[vip]
token = "sec_1"
plan = "premium"
monthly_attempts = 100000
role = "admin"
languages = ["en", "de"]
priority_support = true
since = 2026-01-02T03:04:05Z
[vip.limits]
size = 3

[free]
token = "sec_2"
`,
    )
    expect(clients).toEqual([
      {
        id: 'vip',
        tokenHash: hashToken('sec_1'),
        plan: 'premium',
        role: 'admin',
        monthlyAttempts: 100000,
        rateLimit: null,
        webhookUrl: null,
        params: {
          languages: ['en', 'de'],
          priority_support: true,
          since: '2026-01-02T03:04:05.000Z',
          limits: { size: 3 },
        },
      },
      {
        id: 'free',
        tokenHash: hashToken('sec_2'),
        plan: null,
        role: 'client',
        monthlyAttempts: null,
        rateLimit: null,
        webhookUrl: null,
        params: {},
      },
    ])
  })

  it('takes the same params from a table of that name', () => {
    const { clients } = read('[a]\ntoken = "t"\nlanguages = ["en"]\n[a.params]\nsize = 3\n')
    expect(clients?.[0]?.params).toEqual({ languages: ['en'], size: 3 })
  })

  it('has a rate and an address for webhooks', () => {
    const { clients } = read('[a]\ntoken = "t"\nrate_limit = "100/1m"\nwebhook_url = "https://example.org/hook"\n')
    expect(clients?.[0]).toMatchObject({
      rateLimit: { count: 100, perMs: 60_000 },
      webhookUrl: 'https://example.org/hook',
      params: {},
    })
  })

  it('does not keep the token', () => {
    expect(JSON.stringify(read('[a]\ntoken = "find-me"\n'))).not.toContain('find-me')
  })

  it('may be empty, which lets nobody in', () => {
    expect(read('').clients).toEqual([])
  })
})

describe('faults of a clients.toml', () => {
  it.each([
    ['no token', '[a]\nplan = "x"\n', 1],
    ['an empty token', '[a]\nplan = "x"\ntoken = ""\n', 3],
    ['a token that is a number', '[a]\ntoken = 5\n', 2],
    ['a token with a space', '[a]\ntoken = "a b"\n', 2],
    ['a token that is not ASCII', '[a]\ntoken = "né"\n', 2],
    ['a plan that is a number', '[a]\ntoken = "t"\nplan = 5\n', 3],
    ['a role nobody knows', '[a]\ntoken = "t"\nrole = "root"\n', 3],
    ['a quota that is text', '[a]\ntoken = "t"\nmonthly_attempts = "100"\n', 3],
    ['a negative quota', '[a]\ntoken = "t"\nmonthly_attempts = -1\n', 3],
    ['a quota with a fraction', '[a]\ntoken = "t"\nmonthly_attempts = 1.5\n', 3],
    ['a param that is not a number in JSON', '[a]\ntoken = "t"\nratio = nan\n', 3],
    ['a rate that is a number', '[a]\ntoken = "t"\nrate_limit = 100\n', 3],
    ['a rate without a time', '[a]\ntoken = "t"\nrate_limit = "100"\n', 3],
    ['an address that is none', '[a]\ntoken = "t"\nwebhook_url = "example.org"\n', 3],
    ['params that are no table', '[a]\ntoken = "t"\nparams = 5\n', 3],
    ['a param that is there twice', '[a]\ntoken = "t"\nsize = 1\nparams = { size = 2 }\n', 4],
    ['a key outside of any section', 'token = "t"\n', 1],
    ['an id with a space', '["a b"]\ntoken = "t"\n', 1],
    ['an array of tables', '[[a]]\ntoken = "t"\n', 1],
  ])('%s', (_name, text, line) => {
    const faults = faultsOf(text)
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatchObject({ source: 'clients.toml', line, column: 1 })
    expect(faults[0]?.remedy).not.toBe('')
  })

  it('come all at once', () => {
    const text = '[a]\nplan = 5\n[b]\ntoken = "t"\nrole = "root"\n[c]\ntoken = "t"\n'
    expect(faultsOf(text).map((fault) => fault.line)).toEqual([1, 2, 5, 7])
  })

  it('name both sections that share a token, and not the token', () => {
    const [fault] = faultsOf('[first]\ntoken = "find-me"\n\n[second]\n  token = "find-me"\n')
    expect(fault).toMatchObject({ line: 5, column: 3, what: '[second] has the same token as [first]' })
    expect(JSON.stringify(fault)).not.toContain('find-me')
  })

  it('of syntax have line and column, and quote no line of the file', () => {
    const faults = faultsOf('[a]\ntoken = "find-me"\ntoken = "find-me-too"\n')
    expect(faults).toMatchObject([{ line: 3, column: 1 }])
    expect(formatFaults(faults)).not.toContain('find-me')
  })

  it('of a section called __proto__ do not reach an object', () => {
    expect(faultsOf('[__proto__]\ntoken = "t"\n')).toMatchObject([{ line: 1 }])
  })
})

describe('the line of a fault', () => {
  it.each([
    ['quoted and dotted keys', '[x]\ntoken="1"\n["a"]\n"token" = ""\n', 4],
    ['a dotted key at the top', '# c\na.token = ""\n', 2],
    ['an inline table', '\na = { token = "" }\n', 2],
    ['a look-alike inside a multi-line text', '[b]\ntoken="1"\nnote = """\n[a]\ntoken = ""\n"""\n[a]\ntoken = ""\n', 8],
    ['carriage returns', '[a]\r\nplan = "x"\r\ntoken = ""\r\n', 3],
    ['a section without a header', '[a.deep]\nx = 1\n', 1],
  ])('survives %s', (_name, text, line) => {
    expect(faultsOf(text)[0]?.line).toBe(line)
  })
})
