/**
 * Leaving a session to the manager that has its workspace warm: there a turn begins without a restore. The engine offers a run to
 * whoever asks; a manager that is not the warm one steps back for a moment, and takes it if the warm one did not.
 */
import type { Engine } from '@tutti/engine'
import type { Database } from '../database/database.ts'
import type { RunRow } from '../session/rows.ts'

export interface Affinity {
  /** How long the warm manager has, from the instant at which the run could be taken; 0: nobody is waited for. */
  headStartMs: number
}

interface Warmth {
  warm_worker: string | null
  /** Since when the run could be taken, in milliseconds: since it was asked for, or since the one before it ended. */
  waited_ms: number
  /** Runs in the hands of the warm manager. */
  held: number
}

/** To whom this worker should leave the run, and for how long; null: it should take it. */
export const headStartOf = async (
  { database, engine }: { database: Database; engine: Engine },
  { headStartMs }: Affinity,
  run: RunRow,
  worker: string,
): Promise<{ to: string; ms: number } | null> => {
  if (headStartMs <= 0) return null
  const [warmth] = await database.query<Warmth>(
    `select session.warm_worker,
       extract(epoch from clock_timestamp() - greatest(run.created_at, before.finished_at)) * 1000 as waited_ms,
       (select count(*)::int from workbench.runs held
        where held.claimed_by = session.warm_worker and held.status in ('claimed', 'running', 'canceling')) as held
     from workbench.runs run
     join workbench.sessions session on session.id = run.session_id
     left join lateral (
       select max(finished_at) as finished_at from workbench.runs where session_id = run.session_id
     ) before on true
     where run.id = $1`,
    [run.id],
  )
  if (!warmth || warmth.warm_worker === null || warmth.warm_worker === worker) return null
  const left = headStartMs - Number(warmth.waited_ms)
  if (left <= 0) return null
  const warm = await engine.worker(warmth.warm_worker)
  if (!warm || warm.drained || warm.info.status === 'draining') return null
  return warmth.held < capacityOf(warm.info) ? { to: warmth.warm_worker, ms: left } : null
}

const capacityOf = (info: Record<string, unknown>): number => (typeof info.capacity === 'number' ? info.capacity : 1)
