import type { ScheduleView } from '@tutti/contracts'
import type { Engine, KeptSchedule } from '@tutti/engine'
import type { WriteInstant } from './instant.ts'

/** A schedule with what became of its last job: read now, as the job may still be at work. */
export const scheduleView = async (
  { id, owner, schedule }: KeptSchedule,
  engine: Pick<Engine, 'job'>,
  instant: WriteInstant,
): Promise<ScheduleView> => {
  const { name, source, spec, paused, nextAt, fired, last } = schedule
  return {
    id,
    name,
    client: owner,
    source,
    spec,
    paused,
    next_at: nextAt === null ? null : instant(nextAt),
    fired,
    last: last && {
      due_at: instant(last.dueAt),
      fired_at: instant(last.firedAt),
      job_id: last.jobId,
      outcome: last.outcome,
      reason: last.reason,
      job_status: last.jobId === null ? null : await statusOf(engine, last.jobId),
    },
  }
}

const statusOf = async (engine: Pick<Engine, 'job'>, jobId: string) => {
  try {
    return (await engine.job(jobId, null)).status
  } catch {
    // Removed since.
    return null
  }
}
