import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@tutti/config'
import { testS3 } from '@tutti/objects/testing'
import { freePort } from '@tutti/stores/testing'
import { expect, test, vi } from 'vitest'
import { startManager } from '../src/start.ts'
import { createFakeBackend } from './support/fake-backend.ts'

test('a-manager-waits-for-a-bucket-that-is-away-and-takes-runs-when-it-is-there', async () => {
  const [backend, s3, root] = [await createFakeBackend(), await testS3(), await mkdtemp(join(tmpdir(), 'tutti-start-'))]
  const { endpoint, bucket, region, accessKey, secretKey } = s3.options
  const port = await freePort()
  const env = {
    ...{ BACKEND_URL: backend.url, INTERNAL_API_TOKEN: backend.token, MANAGER_PORT: String(port), WORKER_ID: 'late' },
    ...{ WORKSPACE_ROOT: root, ANTHROPIC_AUTH_TOKEN: 'a-key', SANDBOX: 'none', SANDBOX_POOL: '0', LOG_LEVEL: 'ERROR' },
    ...{ S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_REGION: region, START_WAIT_SECONDS: '60' },
    ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
  }
  await s3.stop()
  // A person who starts it in a terminal is told at once.
  await expect(startManager(env)).rejects.toThrow(ConfigError)
  const starting = startManager(env, { waits: true })
  const told = (status: number, data: object) =>
    vi.waitFor(async () => {
      const response = await fetch(`http://127.0.0.1:${port}/health`)
      expect([response.status, await response.json()]).toMatchObject([status, { data }])
    }, 20_000)
  await told(503, { status: 'starting', waiting_for: 'the object store' })
  expect(backend.bootIds.size).toBe(0)
  await s3.restart()
  const { stop } = await starting
  await told(200, { status: 'ok' })
  await backend.until(() => backend.bootIds.size === 1)
  await stop()
  await Promise.all([backend.close(), s3.close(), rm(root, { recursive: true, force: true })])
}, 60_000)
