import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLogger, type LogFields } from '../src/index.ts'

const secret = 'HUSH-5f2a'

function written(fields: LogFields, message = 'm', format: 'json' | 'text' = 'json'): string {
  let text = ''
  const destination = {
    write: (line: string) => {
      text += line
    },
  }
  const logger = createLogger({ level: 'INFO', format, name: 'n' }, { destination })
  logger.info(fields, message)
  logger.child(fields).info(message)
  return text
}

const secretNames = [
  'token',
  'CLIENT_TOKEN',
  'globalWorkerToken',
  'X-Avtomatika-Token',
  'authorization',
  'Authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'SECRET_KEY',
  'secretKey',
  'ANTHROPIC_API_KEY',
  'x-api-key',
  'S3_ACCESS_KEY',
  'password',
  'client_secret',
  'signature',
  'databaseUrl',
]

describe('a secret', () => {
  it.each(secretNames)('under the name %s is not written, at any depth', (name) => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('headers', 'config', 'list'), { maxLength: 6 }), (path) => {
        const value = path.reduce<unknown>((inner, step) => (step === 'list' ? [inner] : { [step]: inner }), {
          [name]: secret,
        })
        expect(written({ value })).not.toContain(secret)
      }),
      { numRuns: 15 },
    )
    expect(written({ [name]: secret })).toContain('[redacted]')
    expect(written({ [name]: [secret] }, 'm', 'text')).not.toContain(secret)
  })

  it('in an error is not written', () => {
    const err = Object.assign(new Error(`connect postgresql://tutti:${secret}@db/tutti`), {
      config: { headers: { authorization: `Bearer ${secret}` } },
    })
    expect(written({ err })).not.toContain(secret)
    expect(written({ failure: { err } })).not.toContain(secret)
  })

  it.each([
    `Authorization: Bearer ${secret}`,
    `bearer  ${secret}`,
    `postgresql://tutti:${secret}@db:5432/tutti`,
    `https://u:${secret}@host/path`,
    `/api/v1/objects/k?expires=1&signature=${secret}`,
    `https://bucket/k?X-Amz-Signature=${secret}&x=1`,
    `/ws?token=${secret}`,
  ])('within the text %j is not written', (text) => {
    expect(written({ text })).not.toContain(secret)
    expect(written({}, text)).not.toContain(secret)
    expect(written({}, text, 'text')).not.toContain(secret)
  })
})

it('what is no secret stays readable', () => {
  const fields = {
    input_tokens: 512,
    key: 'workspaces/1/a.txt',
    idempotency_key: 'abc',
    concurrency_key: 's1',
    url: 'https://host/path?page=2',
    token: null,
    has_token: true,
    at: new Date(0),
    link: new URL('https://host/x'),
  }
  const [line = ''] = written(fields).split('\n')
  expect(JSON.parse(line)).toMatchObject({
    ...fields,
    at: '1970-01-01T00:00:00.000Z',
    link: 'https://host/x',
  })
})
