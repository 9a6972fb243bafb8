import type { listJobs } from '@tutti/contracts'
import type { JobQuery } from '@tutti/engine'
import type { z } from 'zod'
import { defined } from '../http/defined.ts'

/** What the Store is asked for, from a checked query. */
export const jobQuery = (client: string | null, query: z.output<typeof listJobs>): JobQuery => {
  const { limit, cursor, status, blueprint, tag, metadata = [], created_from, created_before } = query
  const { parent_job_id, schedule_id, forked_from } = query
  const labels = [
    ...(tag === undefined ? [] : [tag]),
    ...metadata,
    ...(parent_job_id === undefined ? [] : [`parent:${parent_job_id}`]),
    ...(schedule_id === undefined ? [] : [`schedule:${schedule_id}`]),
    ...(forked_from === undefined ? [] : [`fork:${forked_from}`]),
  ]
  return {
    client,
    limit,
    ...defined({ cursor, blueprint, statuses: status }),
    ...(labels.length === 0 ? {} : { labels }),
    ...(created_from === undefined ? {} : { createdFrom: Date.parse(created_from) }),
    ...(created_before === undefined ? {} : { createdBefore: Date.parse(created_before) }),
  }
}
