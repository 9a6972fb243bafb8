/**
 * Group commit of what agents say: the batches of many runs in one transaction, with a number of statements that does not grow with
 * them. At 5,000 events a second over 200 sessions a transaction for each batch cost ten times the delay.
 */
import type { AgentEvent } from '@tutti/contracts'
import { ifHeld } from '../claim/held-run.ts'
import type { Database, Queryable } from '../database/database.ts'
import { type Line, openLog, type SessionLog, tell, withLines } from '../session/log.ts'
import type { RunRow, SessionRow } from '../session/rows.ts'
import { type Batch, freshEvents } from './fresh-events.ts'
import { project } from './project.ts'
import { insertRows, logSteps, type RunSteps } from './write-steps.ts'

export interface RunBatch {
  runId: string
  batch: Batch
}

export type Stored = { received: number } | { error: unknown }

const plain = new Set<AgentEvent['type']>(['text_delta', 'thinking_delta', 'message', 'tool_call', 'tool_result'])

/** Whether the batch only adds to what was said and done: nothing else of run or session has to be known to store it. */
export const isPlain = ({ events }: Batch): boolean => events.every(({ event }) => plain.has(event.type))

/**
 * Stores plain batches of different runs. A batch without an answer was not looked at: its session was being changed by somebody
 * else, whom the others shall not wait for.
 */
export const storeTogether = (database: Database, batches: readonly RunBatch[]): Promise<Map<RunBatch, Stored>> =>
  database.transaction(async (tx) => {
    const runs = await lockRuns(
      tx,
      batches.map(({ runId }) => runId),
    )
    const answers = new Map<RunBatch, Stored>()
    const writes: (RunSteps & { received: number; log: SessionLog })[] = []
    for (const each of batches) {
      const { run, log } = runs.get(each.runId) ?? {}
      if (!run || !log) continue
      try {
        const { events, received } = freshEvents(ifHeld(run, each.runId, each.batch), each.batch)
        answers.set(each, { received })
        if (events.length > 0) writes.push({ run, log, received, projection: project(run.id, events) })
      } catch (error) {
        answers.set(each, { error })
      }
    }
    if (writes.length === 0) return answers
    const messages = await insertRows(tx, writes)
    writes.forEach(({ log, run, projection }, at) => {
      logSteps(log, run.id, projection, messages[at] ?? [])
    })
    await tx.query(
      `update workbench.runs set received_n = stored.n
       from unnest($1::uuid[], $2::bigint[]) as stored (id, n) where runs.id = stored.id`,
      [writes.map(({ run }) => run.id), writes.map(({ received }) => received)],
      'events_received',
    )
    const logs = [...new Set(writes.map(({ log }) => log))]
    const at = await storeLines(
      tx,
      logs.flatMap(({ lines }) => lines),
    )
    await tell(
      tx,
      logs.flatMap((log) => log.news(at)),
    )
    return answers
  })

/** Only what storing needs: a run's configuration and state may be megabytes. */
type LockedRun = Pick<RunRow, 'id' | 'session_id' | 'status' | 'attempt' | 'claimed_by' | 'lease_token' | 'received_n'>

/**
 * Locks the runs' sessions, in the order of their ids and leaving out those that somebody else has locked; then reads the runs, as
 * they are under the lock. Runs of one session share its log.
 */
const lockRuns = async (tx: Queryable, runIds: string[]): Promise<Map<string, { run: LockedRun; log: SessionLog }>> => {
  const sessions = await tx.query<Pick<SessionRow, 'id' | 'user_id' | 'seq'>>(
    `select id, user_id, seq from workbench.sessions
     where id in (select session_id from workbench.runs where id = any($1::uuid[])) order by id for update skip locked`,
    [runIds],
    'events_lock_sessions',
  )
  const logs = new Map(sessions.map((session) => [session.id, openLog(session)]))
  const runs = await tx.query<LockedRun>(
    `select id, session_id, status, attempt, claimed_by, lease_token, received_n from workbench.runs
     where id = any($1::uuid[]) and session_id = any($2::uuid[])`,
    [runIds, [...logs.keys()]],
    'events_locked_runs',
  )
  return new Map(
    runs.flatMap((run) => {
      const log = logs.get(run.session_id)
      return log ? [[run.id, { run, log }] as const] : []
    }),
  )
}

/** @returns when, as the lines have it */
const storeLines = async (tx: Queryable, lines: Line[]): Promise<Date | undefined> => {
  if (lines.length === 0) return undefined
  const [stored] = await tx.query<{ at: Date }>(
    `${withLines}
     update workbench.sessions set seq = grown.seq, updated_at = now()
     from (select session_id, max(seq) as seq
           from jsonb_to_recordset($1::jsonb) as line (session_id uuid, seq bigint) group by session_id) grown
     where sessions.id = grown.session_id returning now() as at`,
    [JSON.stringify(lines)],
    'events_lines',
  )
  return stored?.at
}
