/** What was committed, as lines of the log: the steps of jobs for whoever looks into one (DEBUG), and those that ended badly for all. */
import type { Change } from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'

/** @returns what is to be called for each change that was committed */
export const observeLog =
  (log: Logger): ((change: Change) => void) =>
  ({ job, events }) => {
    const about = { job_id: job.id, blueprint: job.blueprint, client: job.client }
    for (const { type, state, data } of events)
      log.debug({ ...about, ...(typeof data.task_id === 'string' ? { task_id: data.task_id } : {}), state }, type)
    const end = { ...about, state: job.state, code: job.error?.code ?? null }
    const reason = job.error?.message ?? 'no reason was given'
    if (job.status === 'failed') log.info(end, `the job failed: ${reason}`)
    if (job.status === 'quarantined' || job.status === 'error') log.warn(end, `the job needs a look: ${reason}`)
  }
