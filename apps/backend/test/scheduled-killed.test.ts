/** Backends in processes of their own that are killed between a schedule's firing and its run, and before the engine knows of the run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { createDatabase, type Database } from '@tutti/workbench'
import { afterAll, beforeAll, expect, test } from 'vitest'

let testDb: TestDatabase
let database: Database
let folder: string
let child: ChildProcess | undefined
let address: string
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  testDb = await testDatabase()
  database = createDatabase({ connectionString: testDb.connectionString })
  folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
  const port = await freePort()
  address = `http://127.0.0.1:${port}`
  environment = {
    ...process.env,
    ...{ HOST: '127.0.0.1', PORT: String(port), DATABASE_URL: testDb.connectionString, OBJECTS_DIR: folder },
    ...{ INTERNAL_API_TOKEN: 'internal-token-of-tests', SECRET_KEY: 'key-of-tests-'.repeat(3), LOG_LEVEL: 'ERROR' },
  }
})
afterAll(async () => {
  await kill()
  await database.close()
  await testDb.drop()
  await rm(folder, { recursive: true, force: true })
})

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const found = server.address()
      server.close(() => resolve(typeof found === 'object' && found !== null ? found.port : 0))
    })
  })

const patience = { timeout: 60_000, interval: 50 }

const start = async (): Promise<void> => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  child = spawn(process.execPath, [main], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
  const answers = () =>
    fetch(`${address}/health`).then(
      (response) => response.ok,
      () => false,
    )
  await expect.poll(answers, patience).toBe(true)
}

const kill = async (): Promise<void> => {
  const ending = child
  if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
  const gone = new Promise((resolve) => ending.once('exit', resolve))
  ending.kill('SIGKILL')
  await gone
}

const call = async <T>(path: string, body?: object): Promise<T> => {
  const response = await fetch(`${address}/api/v1${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return ((await response.json()) as { data: T }).data
}

/** The instant that passed last has not been dealt with: as if it had come just now. */
const makeDue = async (id: string): Promise<void> => {
  const due = Math.floor(Date.now() / 60_000) * 60_000
  const [changed] = await database.query(
    `update tutti.records set due_at = $2::bigint,
       body = jsonb_set(body::jsonb, '{body,nextAt}', to_jsonb($2::bigint), false)::text
     where kind = 'session_schedule' and id = $1 and body::jsonb #> '{body,nextAt}' is not null returning id`,
    [`default/${id}`, due],
  )
  expect(changed).toBeDefined()
}

/** The engine's clock, for those who start afterwards. */
const putClockOn = (ms: number) =>
  database.query(`create or replace function tutti.now_ms() returns bigint language sql volatile parallel safe as $$
    select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + ${ms} $$`)
/** What a dead process held for half a minute is free now, in the engine and at the sweeper, and nobody has waited for it. */
const passHalfAMinute = async (): Promise<void> => {
  await putClockOn(31_000)
  await database.query(`update workbench.runs set check_at = check_at - interval '31 seconds'`)
}

/** Somebody waits for a lock on the table. */
const blockedOn = async (table: string): Promise<boolean> =>
  (await database.query('select from pg_locks where relation = $1::regclass and not granted', [table])).length > 0

test.each([
  ['before the run is written', 'workbench.runs', 0],
  ['after the run is written, before the engine has its job', 'tutti.events', 1],
])(
  'killed-%s-each-instant-has-one-run',
  async (_, table, writtenByThen) => {
    await start()
    const { scheduled_task_id: id } = await call<{ scheduled_task_id: string }>('/scheduled-tasks', {
      ...{ name: 'n', cron: '* * * * *', prompt: 'p', overlap: 'allow' },
    })
    await kill()
    const runs = () =>
      database.query<{ scheduled_at: Date; job_created_at: Date | null }>(
        'select scheduled_at, job_created_at from workbench.runs where scheduled_task_id = $1',
        [id],
      )
    const lock = await database.connect()
    await lock.query('begin')
    // What reads goes on; what writes waits.
    await lock.query(`lock table ${table} in share row exclusive mode`)
    await makeDue(id)
    await start()
    await expect.poll(() => blockedOn(table), patience).toBe(true)
    await expect.poll(async () => (await runs()).length, patience).toBe(writtenByThen)
    await kill()
    await lock.query('rollback')
    await lock.end()
    expect(await runs()).toHaveLength(writtenByThen)
    await passHalfAMinute()
    await start()
    await expect
      .poll(async () => (await runs()).some(({ job_created_at }) => job_created_at !== null), patience)
      .toBe(true)
    const { enabled } = await call<{ enabled: boolean }>(`/scheduled-tasks/${id}`)
    expect(enabled).toBe(true)
    // Meanwhile later minutes may have come: each has its own.
    const instants = (await runs()).map(({ scheduled_at }) => scheduled_at.getTime())
    expect(new Set(instants).size).toBe(instants.length)
    expect(instants.every((at) => at % 60_000 === 0)).toBe(true)
    await kill()
    await database.query(`delete from tutti.records where kind = 'session_schedule'`)
    await putClockOn(0)
  },
  150_000,
)
