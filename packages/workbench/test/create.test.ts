import { testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readMigrations } from '../src/database/migrate.ts'
import { createDatabase, migrate } from '../src/index.ts'
import { createStage, finishOf, type Stage, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

test('same-request-sent-many-times-makes-one-run', async () => {
  const created = await Promise.all(
    Array.from({ length: 8 }, () => stage.send('once', { client_request_id: 'request-1' })),
  )
  expect(new Set(created.map((task) => task.run_id)).size).toBe(1)
  expect(await stage.workbench.sessions(user, { limit: 10, offset: 0 })).toHaveLength(1)
  const run = await stage.claim()
  await stage.workbench.finishRun(run.run_id, finishOf(run))
  expect(await stage.tryClaim()).toBeNull()
})

test('messages-to-a-busy-session-run-in-the-order-of-the-messages', async () => {
  const { session_id, run_id } = await stage.send('0')
  const others = await Promise.all(['1', '2', '3', '4'].map((prompt) => stage.send(prompt, { session_id })))
  const waiting = await stage.workbench.queue(user, session_id)
  expect(waiting.map((item) => item.sequence_no)).toEqual([1, 2, 3, 4])
  expect(new Set(waiting.map((item) => item.queue_item_id))).toEqual(new Set(others.map((other) => other.run_id)))
  for (const expected of [run_id, ...waiting.map((item) => item.queue_item_id)]) {
    const run = await stage.claim()
    expect(run.run_id).toBe(expected)
    await stage.workbench.finishRun(run.run_id, finishOf(run))
  }
})

test('strangers-session-is-not-found', async () => {
  const { session_id, run_id } = await stage.send('mine')
  const request = { prompt: 'x', permission_mode: 'default' as const, session_id }
  await expect(stage.workbench.createTask('stranger', request)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' })
  await expect(stage.workbench.session('stranger', session_id)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' })
  await expect(stage.workbench.run('stranger', run_id)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
  await expect(stage.workbench.cancelSession('stranger', session_id)).rejects.toMatchObject({
    code: 'SESSION_NOT_FOUND',
  })
  expect((await stage.workbench.snapshot('stranger', session_id)).data).toEqual({ status: 'not_found' })
  const run = await stage.claim()
  await stage.workbench.finishRun(run.run_id, finishOf(run))
})

test('schema-of-a-newer-version-is-refused', async () => {
  await expect(migrate(stage.database, [])).rejects.toThrow(/version \d+, and this Tutti knows only 0/)
})

test('many-processes-migrate-at-once', async () => {
  const fresh = await testDatabase()
  const databases = Array.from({ length: 4 }, () => createDatabase({ ...fresh, connections: 1 }))
  await Promise.all(databases.map((database) => migrate(database)))
  const rows = await databases[0]?.query('select version from workbench.schema_migrations order by version')
  expect(rows).toEqual((await readMigrations()).map(({ version }) => ({ version })))
  await Promise.all(databases.map((database) => database.close()))
  await fresh.drop()
})
