/** Backends in processes of their own that are killed between a schedule's firing and its run, and before the engine knows of the run. */
import { createDatabase, type Database } from '@tutti/workbench'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChildBackend, createChildBackend } from './support/child-backend.ts'

let backend: ChildBackend
let database: Database
beforeAll(async () => {
  backend = await createChildBackend()
  database = createDatabase({ connectionString: backend.connectionString })
})
afterAll(async () => {
  await backend.end('SIGKILL')
  await database.close()
  await backend.close()
})

const patience = { timeout: 60_000, interval: 50 }
const kill = () => backend.end('SIGKILL')
const call = async <T>(path: string, body?: object): Promise<T> => (await backend.call<T>(path, body)).data

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
    await backend.start()
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
    await backend.start()
    await expect.poll(() => blockedOn(table), patience).toBe(true)
    await expect.poll(async () => (await runs()).length, patience).toBe(writtenByThen)
    await kill()
    await lock.query('rollback')
    await lock.end()
    expect(await runs()).toHaveLength(writtenByThen)
    await passHalfAMinute()
    await backend.start()
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
