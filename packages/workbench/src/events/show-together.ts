/**
 * Pieces of text while they are said: told to whoever reads, and not stored. Four of five events are such; they cost no lock, no row and
 * no wait for the disk.
 */
import { ifHeld } from '../claim/held-run.ts'
import type { Database } from '../database/database.ts'
import { type News, openLog, show } from '../session/log.ts'
import type { RunRow } from '../session/rows.ts'
import { freshEvents } from './fresh-events.ts'
import { project } from './project.ts'
import type { RunBatch, Stored } from './store-together.ts'
import { logSteps } from './write-steps.ts'

type ShownRun = Pick<
  RunRow,
  'id' | 'session_id' | 'status' | 'attempt' | 'claimed_by' | 'lease_token' | 'received_n'
> & { user_id: string; seq: number }

/**
 * Shows batches of deltas. The fence is looked at without a lock: what a holder says that is replaced in this moment comes after a line
 * that has been overtaken, and readers leave it out.
 */
export const showTogether = async (database: Database, batches: readonly RunBatch[]): Promise<Stored[]> => {
  const rows = await database.query<ShownRun>(
    `select run.id, run.session_id, run.status, run.attempt, run.claimed_by, run.lease_token, run.received_n,
            session.user_id, session.seq
     from workbench.runs run join workbench.sessions session on session.id = run.session_id
     where run.id = any($1::uuid[])`,
    [batches.map(({ runId }) => runId)],
    'events_shown_runs',
  )
  const runs = new Map(rows.map((run) => [run.id, run]))
  const news: News[] = []
  const answers = batches.map(({ runId, batch }): Stored => {
    try {
      const run = ifHeld(runs.get(runId), runId, batch)
      const { events, received } = freshEvents(run, batch)
      const log = openLog({ id: run.session_id, user_id: run.user_id, seq: run.seq })
      logSteps(log, run.id, project(run.id, events), [])
      news.push(...log.news())
      return { received }
    } catch (error) {
      return { error }
    }
  })
  await show(database, news)
  return answers
}
