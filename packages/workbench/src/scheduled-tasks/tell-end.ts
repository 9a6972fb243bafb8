import { TuttiError } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import { jobOfRequest, RUN_ENDED } from './names.ts'

/** Tells the job that sent the message that its run has ended. One that is not told looks for itself after a while. */
export const tellEnd = async (
  { engine, log }: WorkbenchDeps,
  run: { id: string; client_request_id: string | null },
): Promise<void> => {
  const jobId = jobOfRequest(run.client_request_id)
  if (jobId === undefined) return
  try {
    await engine.signal(jobId, null, { id: run.id, name: RUN_ENDED, data: {} })
  } catch (error) {
    // It has looked already; or a person chose an id like ours for a message.
    if (error instanceof TuttiError && (error.code === 'JOB_TERMINAL' || error.code === 'JOB_NOT_FOUND')) return
    log.warn({ err: error, run_id: run.id }, 'a schedule could not be told that its run has ended; it will look')
  }
}
