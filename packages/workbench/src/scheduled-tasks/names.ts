/** The blueprint under which the engine keeps a scheduled task's instants. */
export const SCHEDULED_TASK = 'scheduled_task'

/** The records of its schedules: fired by backends alone, which have the blueprint. */
export const scheduleKind = 'session_schedule'

/** The event that tells a job of it that its run has ended. */
export const RUN_ENDED = 'run_ended'

const prefix = 'scheduled-task:'

/** Under this id the job of an instant sends its message: again after a crash, and so once. */
export const requestIdOf = (jobId: string): string => prefix + jobId

/** The job that sent the message; undefined where a person did. */
export const jobOfRequest = (requestId: string | null): string | undefined =>
  requestId?.startsWith(prefix) ? requestId.slice(prefix.length) : undefined
