/** Single statements on runs that several stations use. All of them expect the lock of the run's session. */
import type { RunStatus, SessionStatus } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { SessionChange } from './change-session.ts'
import { progressOf, type RunRow } from './rows.ts'

export const findRun = async (database: Queryable, id: string): Promise<RunRow | undefined> => {
  const [run] = await database.query<RunRow>('select * from workbench.runs where id = $1', [id])
  return run
}

type RunPatch = Partial<Omit<RunRow, 'id' | 'session_id' | 'check_at' | 'started_at' | 'finished_at' | 'reported_at'>>

/** Instants are set from the database's clock: `set finished_at` with a process's clock could lie before `started_at`. */
interface Clocks {
  started?: true
  finished?: true
  reported?: true
  /** Milliseconds from now at which the run is compared with the engine; null: never again. */
  checkInMs?: number | null
}

/** Changes a run in the database and in memory. Column names come from the code only, never from input. */
export const updateRun = async (tx: Queryable, run: RunRow, patch: RunPatch, clocks: Clocks = {}): Promise<void> => {
  const fields = Object.entries(patch)
  const sets = fields.map(([column], at) => `${column} = $${at + 2}`)
  const values: unknown[] = [run.id, ...fields.map(([, value]) => value)]
  if (clocks.started) sets.push('started_at = coalesce(started_at, now())')
  if (clocks.finished) sets.push('finished_at = now()')
  if (clocks.reported) sets.push('reported_at = now()')
  if (clocks.checkInMs === null) sets.push('check_at = null')
  if (typeof clocks.checkInMs === 'number') {
    values.push(clocks.checkInMs)
    sets.push(`check_at = now() + $${values.length} * interval '1 millisecond'`)
  }
  const [stored] = await tx.query<RunRow>(
    `update workbench.runs set ${sets.join(', ')} where id = $1 returning *`,
    values,
  )
  Object.assign(run, stored)
}

/** Runs of the session that have not ended, in the order in which they were asked for. */
export const openRuns = (tx: Queryable, sessionId: string): Promise<RunRow[]> =>
  tx.query<RunRow>(
    `select * from workbench.runs
     where session_id = $1 and status in ('queued', 'claimed', 'running', 'waiting', 'canceling') order by user_message_id`,
    [sessionId],
  )

/** Those that a new message has to wait for: not the ones that are due later. */
export const blockingRuns = (tx: Queryable, sessionId: string): Promise<RunRow[]> =>
  tx.query<RunRow>(
    `select * from workbench.runs
     where session_id = $1 and (status in ('claimed', 'running', 'waiting', 'canceling')
       or status = 'queued' and scheduled_at <= now())`,
    [sessionId],
  )

/** Makes the session's status follow its runs, and logs what became of `run`. `ended` counts when no run is open. */
export const logStatus = async (change: SessionChange, run: RunRow, ended: SessionStatus): Promise<void> => {
  const open = (await openRuns(change.tx, change.session.id)).map(({ status }) => status)
  const status = sessionStatusOf(open) ?? ended
  change.patch({ status })
  change.log('session.status', {
    status,
    progress: progressOf(change.session),
    run_id: run.id,
    run_status: run.status,
    ...(run.last_error === null || run.status === 'completed' ? {} : { error: run.last_error }),
  })
}

const sessionStatusOf = (open: RunStatus[]): SessionStatus | undefined => {
  if (open.includes('canceling')) return 'canceling'
  if (open.includes('running') || open.includes('waiting')) return 'running'
  return open.length > 0 ? 'pending' : undefined
}
