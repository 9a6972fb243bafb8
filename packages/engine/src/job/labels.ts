import type { Job } from './job.ts'

/** Longer values are kept and shown, and not found by: an index has to hold each label whole. */
const longest = 256

/** Texts by which a job is found: its tags, its metadata as `key=value`, and its kin as `parent:id`, `fork:id`, `schedule:id`. */
export const labelsOf = (job: Job): string[] =>
  [
    ...job.tags,
    ...Object.entries(job.metadata).flatMap(([key, value]) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [`${key}=${value}`] : [],
    ),
    ...(job.parentId === null ? [] : [`parent:${job.parentId}`]),
    ...(job.origin.kind === 'fork' ? [`fork:${job.origin.jobId}`] : []),
    ...(job.origin.kind === 'schedule' ? [`schedule:${job.origin.scheduleId}`] : []),
  ].filter((label) => label.length <= longest)
