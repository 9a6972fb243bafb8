/** The list of jobs as older clients ask for it: by offset, and answered with the newest line of each job's log. */
import { type JsonObject, olderListJobs, TuttiError } from '@tutti/contracts'
import type { Engine, Job } from '@tutti/engine'
import type { RouteDeps } from '../deps.ts'
import { columnsOf, olderRowView } from '../views/older-row-view.ts'

/** What the Store answers at a time. */
const pageSize = 500

/** @throws TuttiError INVALID_QUERY */
export const olderJobList = async (
  { engine, archive, instant }: Pick<RouteDeps, 'engine' | 'archive' | 'instant'>,
  client: string,
  query: unknown,
): Promise<JsonObject[]> => {
  const { success, data, error } = olderListJobs.safeParse(query)
  if (!success)
    throw new TuttiError('INVALID_QUERY', 'Invalid limit/offset parameter', {
      path: ['query', ...(error.issues[0]?.path ?? [])].join('.'),
    })
  const { limit, offset } = data
  if (archive) {
    const lines = await archive.latest({ client, limit, offset })
    return Promise.all(lines.map(async (line) => olderRowView(line, await known(engine, line.jobId, client), instant)))
  }
  const jobs = await jobsAfter(engine, client, offset, limit)
  const rows = jobs.map(async (job) => {
    const [line] = await engine.events(job.id, job.seq - 1, 1)
    return line && olderRowView({ ...line, ...columnsOf(line) }, job, instant)
  })
  return (await Promise.all(rows)).filter((row) => row !== undefined)
}

/** Of the newest jobs those behind `offset`. The Store goes by cursors: what is passed over is read, too. */
const jobsAfter = async (
  engine: Pick<Engine, 'jobs'>,
  client: string,
  offset: number,
  limit: number,
): Promise<Job[]> => {
  const found: Job[] = []
  let seen = 0
  let cursor: string | null = null
  do {
    const wanted = Math.min(pageSize, offset + limit - seen)
    const page: { jobs: Job[]; cursor: string | null } = await engine.jobs({
      client,
      limit: wanted,
      ...(cursor === null ? {} : { cursor }),
    })
    found.push(...page.jobs.slice(Math.max(0, offset - seen)))
    seen += page.jobs.length
    cursor = page.cursor
  } while (cursor !== null && seen < offset + limit)
  return found
}

/** The archive remembers jobs that the Store has forgotten. */
const known = async (engine: Pick<Engine, 'job'>, id: string, client: string): Promise<Job | null> => {
  try {
    return await engine.job(id, client)
  } catch (error) {
    if (error instanceof TuttiError && error.code === 'JOB_NOT_FOUND') return null
    throw error
  }
}
