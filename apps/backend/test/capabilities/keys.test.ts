/** A change of SECRET_KEY, as an operator makes it: from the environment, over the API. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EnvVarView } from '@tutti/contracts'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBackend } from '../../src/index.ts'

let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await testDatabase()
  folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
})
afterAll(async () => {
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const [first, second] = ['first-key-of-tests-0123456789abcdef', 'second-key-of-tests-0123456789abcdef']

const listed = async (keys: { SECRET_KEY: string; SECRET_KEY_PREVIOUS?: string }, set?: object): Promise<boolean[]> => {
  const backend = await startBackend({
    ...{ HOST: '127.0.0.1', PORT: '0', DATABASE_URL: database.connectionString, LOG_LEVEL: 'ERROR' },
    ...{ INTERNAL_API_TOKEN: 'internal-token-of-tests', OBJECTS_DIR: folder, INSTANCE_ID: 'keys' },
    ...keys,
  })
  try {
    const path = `http://127.0.0.1:${backend.port}/api/v1/env-vars`
    const headers = { 'content-type': 'application/json' }
    if (set !== undefined) await fetch(path, { method: 'POST', headers, body: JSON.stringify(set) })
    const { data } = (await (await fetch(path)).json()) as { data: EnvVarView[] }
    return data.map(({ is_set }) => is_set)
  } finally {
    await backend.stop()
  }
}

test('secrets-outlive-a-change-of-SECRET_KEY-where-the-former-one-is-there-for-one-start', async () => {
  expect(await listed({ SECRET_KEY: first }, { key: 'TOKEN', value: 'sesame' })).toEqual([true])
  expect(await listed({ SECRET_KEY: second })).toEqual([false])
  expect(await listed({ SECRET_KEY: second, SECRET_KEY_PREVIOUS: first })).toEqual([true])
  expect(await listed({ SECRET_KEY: second })).toEqual([true])
})
