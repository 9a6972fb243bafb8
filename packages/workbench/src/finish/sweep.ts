/**
 * The sweeper: heals what a crash left between two systems. Every run that is not settled with the engine carries the
 * instant of its next look, so a sweep costs one index look-up when nothing is due.
 */
import { ensureJobs } from '../create/ensure-jobs.ts'
import type { WorkbenchDeps } from '../deps.ts'
import type { RunRow } from '../session/rows.ts'
import { settle } from './settle.ts'

/** Runs per sweep: many instances sweep side by side, each run is in the hands of one. */
const batch = 100

/** When a run is looked at again should this look change nothing. */
const againMs = 30_000
/** Should it fail, or its process die in between: no sooner, so that others keep off while it looks, and somebody waits for it. */
const heldMs = 5_000

export const sweep = async (deps: WorkbenchDeps): Promise<void> => {
  const due = await deps.database.query<Pick<RunRow, 'id' | 'session_id' | 'status' | 'job_created_at' | 'check_at'>>(
    `update workbench.runs set check_at = date_trunc('milliseconds', now()) + $2 * interval '1 millisecond'
     where id in (
       select id from workbench.runs where check_at <= now() order by check_at limit $1 for update skip locked
     )
     returning id, session_id, status, job_created_at, check_at`,
    [batch, heldMs],
  )
  const seen: string[] = []
  for (const run of due)
    try {
      if (run.status === 'queued' && run.job_created_at === null) await ensureJobs(deps, run.session_id)
      else await settle(deps, run.id, { leaseEnded: true })
      seen.push(run.id)
    } catch (error) {
      deps.log.warn({ err: error, run_id: run.id }, 'a run could not be compared with the engine; it will be again')
    }
  // What has changed since has an instant of its own.
  if (seen.length > 0)
    await deps.database.query(
      `update workbench.runs set check_at = now() + $3 * interval '1 millisecond' where id = any($1::uuid[]) and check_at = $2`,
      [seen, due[0]?.check_at, againMs],
    )
}
