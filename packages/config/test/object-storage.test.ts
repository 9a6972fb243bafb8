import { describe, expect, it } from 'vitest'
import { ConfigError, loadBackend, loadManager } from '../src/index.ts'

const shared = { INTERNAL_API_TOKEN: 'i'.repeat(32), TUTTI_ENV: 'development' }
const backend = {
  ...shared,
  DATABASE_URL: 'postgresql://h/d',
  SECRET_KEY: 's'.repeat(32),
  CLIENT_TOKEN: 'c'.repeat(32),
}
const manager = { ...shared, BACKEND_URL: 'http://b', WORKSPACE_ROOT: '/w' }
const s3 = { S3_ENDPOINT: 'http://s3:9000/', S3_ACCESS_KEY: 'a', S3_SECRET_KEY: 's', S3_BUCKET: 'poco' }

const blamed = (load: () => unknown): (string | undefined)[] => {
  try {
    load()
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ variable }) => variable)
  }
}

describe.each([
  ['backend', (env: Record<string, string>) => loadBackend({ ...backend, ...env })],
  ['executor manager', (env: Record<string, string>) => loadManager({ ...manager, ...env })],
] as const)('the files of the %s', (_process, load) => {
  it('lie in a folder unless S3_ENDPOINT is set', () => {
    expect(load({}).files).toBeNull()
    expect(load(s3).files).toEqual({
      endpoint: 'http://s3:9000',
      accessKey: 'a',
      secretKey: 's',
      bucket: 'poco',
      keyPrefix: '',
      region: 'us-east-1',
      forcePathStyle: true,
      maxConcurrency: 100,
      requestTimeoutMs: 60_000,
      attempts: 3,
    })
  })

  it('lie below a folder of the bucket that is written with or without its slashes', () => {
    for (const S3_KEY_PREFIX of ['team/tutti', '/team/tutti/'])
      expect(load({ ...s3, S3_KEY_PREFIX }).files?.keyPrefix).toBe('team/tutti/')
    expect(blamed(() => load({ ...s3, S3_KEY_PREFIX: '../other' }))).toEqual(['S3_KEY_PREFIX'])
  })

  it('are not kept by half a configuration: every missing part is told', () => {
    expect(blamed(() => load({ S3_ENDPOINT: 'http://s3' }))).toEqual(['S3_ACCESS_KEY', 'S3_SECRET_KEY', 'S3_BUCKET'])
    expect(blamed(() => load({ ...s3, S3_ENDPOINT: '' }))).toEqual(['S3_ENDPOINT'])
  })

  it('tells a part that can’t be read once', () => {
    expect(blamed(() => load({ ...s3, S3_FORCE_PATH_STYLE: 'perhaps' }))).toEqual(['S3_FORCE_PATH_STYLE'])
    expect(blamed(() => load({ ...s3, S3_ENDPOINT: 's3:9000' }))).toEqual(['S3_ENDPOINT'])
  })
})

it('payloads and files may lie in two buckets, with the same keys', () => {
  const both = { ...s3, S3_ENDPOINT_URL: 'http://payloads' }
  expect(loadBackend({ ...backend, ...both })).toMatchObject({
    payloads: { endpoint: 'http://payloads', bucket: 'avtomatika-payloads', accessKey: 'a' },
    files: { endpoint: 'http://s3:9000', bucket: 'poco', accessKey: 'a' },
  })
  expect(loadBackend({ ...backend, ...s3 }).payloads).toBeNull()
})
