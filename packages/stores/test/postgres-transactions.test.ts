/** What transactions of others, which nobody can see yet, must not put out of order. */
import pg from 'pg'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, anEvent, ended, jobWith } from '../src/conformance/subject.ts'
import { databasePerTest } from './database-per-test.ts'

const stage = databasePerTest()
const { open, until, sql } = stage

test('a transaction that commits late does not put its lines in front of those that were read', async () => {
  const store = await open()
  const job = async (): Promise<string> => {
    const fresh = aJob({ seq: 1 })
    await accept(store, aChange(fresh, { events: [anEvent(fresh, 1)] }))
    return fresh.id
  }
  const told = async (after: string | null): Promise<{ ids: string[]; cursor: string | null }> => {
    const { events, cursor } = await store.feed({ after, limit: 100 })
    return { ids: events.map(({ jobId }) => jobId), cursor }
  }
  const first = await job()
  // Whatever else is under way at this server, in other databases too, is waited for.
  await until(async () => expect((await told(null)).ids).toEqual([first]))
  const slow = new pg.Client({ connectionString: stage.database.connectionString })
  await slow.connect()
  try {
    const late = aJob({ seq: 1 })
    await slow.query('BEGIN')
    await slow.query(
      `INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, body)
         VALUES ($1, 'client-a', 'transcode', 1, 'running', '{}', 1, 1, $2)`,
      [late.id, JSON.stringify(late)],
    )
    await slow.query(`INSERT INTO tutti.events VALUES ($1, 1, 1, 'progress', 's', '{}')`, [late.id])
    await slow.query(
      `INSERT INTO tutti.feed (era, stored_at, client, job_id, job_created, first_seq, last_seq) VALUES (1, 1, 'client-a', $1, 1, 1, 1)`,
      [late.id],
    )
    // Committed while the older one is still under way: it must wait to be told of.
    const second = await job()
    const before = await told(null)
    expect(before.ids).toEqual([first])
    expect((await told(before.cursor)).ids).toEqual([])
    await slow.query('COMMIT')
    const third = await job()
    await until(async () => expect((await told(before.cursor)).ids).toEqual([late.id, second, third]))
    expect((await told(null)).ids).toEqual([first, late.id, second, third])
  } finally {
    await slow.end()
  }
})

test('a queue is not forgotten while a task for it is on its way, nor when one comes in that moment', async () => {
  const store = await open()
  const job = await jobWith(store, [{ queue: 'q' }])
  await accept(store, aChange(ended(job)))
  const slow = new pg.Client({ connectionString: stage.database.connectionString })
  await slow.connect()
  try {
    // A commit that finds the queue noted, and whose task nobody can see yet.
    await slow.query('BEGIN')
    await slow.query(`SELECT tutti.note_queues(ARRAY['q'], ARRAY[NULL])`)
    await slow.query(
      `INSERT INTO tutti.tasks (id, job_id, queue, priority, fair_key, turn, state, concurrency_limit, attempt, visible_at, waiting_since, body)
         VALUES ('t', gen_random_uuid(), 'q', 0, 'f', 0, 'queued', 1, 1, 0, 0, '{}')`,
    )
    const purging = store.purge({ finishedBefore: 0, feedBefore: 0, limit: 1 })
    await until(async () => expect(await sql(`SELECT FROM tutti.queues WHERE fading`)).toHaveLength(1))
    await slow.query('COMMIT')
    await purging
    expect(await store.queues()).toEqual(['q'])
    // Still marked, until the next task comes.
    await jobWith(store, [{ queue: 'q' }])
    expect(await sql(`SELECT FROM tutti.queues WHERE fading`)).toEqual([])
  } finally {
    await slow.end()
  }
})
