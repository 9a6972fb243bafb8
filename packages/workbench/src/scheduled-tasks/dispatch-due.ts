/**
 * POST /api/v1/internal/scheduled-tasks/dispatch-due, for whoever used to drive schedules from outside. The engine fires them by itself;
 * so this waits until what is due now has been dealt with, and tells what came of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { DispatchedDue } from '@tutti/contracts'
import type { KeptSchedule } from '@tutti/engine'
import type { Queryable } from '../database/database.ts'
import type { ScheduledTaskDeps } from './deps.ts'
import { ensureSchedules } from './ensure-schedules.ts'
import { requestIdOf } from './names.ts'

/** Longer than the engine takes for anything but a fault. */
const patienceMs = 10_000
const pauseMs = 50

export const dispatchDue = async (deps: ScheduledTaskDeps, limit: number): Promise<DispatchedDue> => {
  await ensureSchedules(deps)
  const now = deps.now()
  const due = (await deps.scheduler.list(null)).filter((kept) => isDue(kept, now)).slice(0, limit)
  const answer: DispatchedDue = { dispatched: 0, run_ids: [], skipped: 0, errors: 0 }
  const deadline = performance.now() + patienceMs
  for (const { id } of due) {
    const dealtWith = await settled(deps, id, now, deadline)
    const { outcome = 'refused', jobId = null } = dealtWith?.schedule.last ?? {}
    const runId = outcome === 'fired' && jobId !== null ? await runOf(deps.database, jobId) : undefined
    if (runId !== undefined) {
      answer.dispatched += 1
      answer.run_ids.push(runId)
    } else if (
      outcome === 'skipped' ||
      outcome === 'queued' ||
      (outcome === 'fired' && (await wasSkipped(deps, jobId)))
    )
      answer.skipped += 1
    else answer.errors += 1
  }
  return answer
}

const isDue = ({ schedule: { paused, spec, nextAt } }: KeptSchedule, now: number): boolean =>
  !paused && spec.enabled && nextAt !== null && nextAt <= now

/** Undefined: nobody dealt with it in time. */
const settled = async (
  { scheduler }: ScheduledTaskDeps,
  id: string,
  now: number,
  deadline: number,
): Promise<KeptSchedule | undefined> => {
  for (;;) {
    const kept = await scheduler.get(id, null)
    if (!isDue(kept, now)) return kept
    if (performance.now() > deadline) return undefined
    await delay(pauseMs)
  }
}

const runOf = async (database: Queryable, jobId: string): Promise<string | undefined> => {
  const [row] = await database.query<{ id: string }>(
    `select id from workbench.runs where client_request_id = $1
     union all select id from workbench.queue_items where client_request_id = $1 limit 1`,
    [requestIdOf(jobId)],
  )
  return row?.id
}

const wasSkipped = async ({ engine }: ScheduledTaskDeps, jobId: string | null): Promise<boolean> =>
  jobId !== null && (await engine.job(jobId, null)).status === 'finished'
