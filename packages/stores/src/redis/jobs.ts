/** Reading, listing and leasing jobs, and their logs. */
import { jobStatus } from '@tutti/contracts'
import type { BlueprintVersion, Job, JobEvent, JobQuery, StoreStats } from '@tutti/engine'
import { cursorOf, parseCursor } from '../cursor.ts'
import { jobFrom } from '../job-body.ts'
import { kindText } from './commit.ts'
import type { RedisConnection } from './connection.ts'
import { keyOf } from './layout.ts'
import type { Run } from './scripts.ts'
import { nameText, orEmpty, parseName, parseNumber } from './text.ts'

/** The fields win over the body: leasing a job changes them alone. */
type JobAnswer = [rev: string, wakeAt: string, body: string]

const jobOf = ([rev, wakeAt, body]: JobAnswer): Job => jobFrom(body, { rev: Number(rev), wakeAt: parseNumber(wakeAt) })

export const readJobs = async (run: Run, ids: string[]): Promise<(Job | undefined)[]> => {
  if (ids.length === 0) return []
  const answers = await run<(JobAnswer | [])[]>('read-jobs', ids.map(nameText))
  return answers.map((answer) => (answer.length === 0 ? undefined : jobOf(answer)))
}

/** Jobs looked at in one call: a script holds up everybody else, and this many take about 5 ms. */
const listBudget = 2_000

export const listJobs = async (run: Run, query: JobQuery): Promise<{ jobs: Job[]; cursor: string | null }> => {
  const after = query.cursor === undefined ? null : parseCursor(query.cursor)
  const statuses = query.statuses ?? jobStatus.options
  let position: [at: string, id: string] = after ? [String(after.at), nameText(after.id)] : ['', '']
  const found: JobAnswer[] = []
  do {
    const [reached, answers] = await run<[string, JobAnswer[]]>('list-jobs', [
      orEmpty(query.client),
      query.blueprint === undefined ? '' : kindText(query.blueprint),
      statuses.length,
      ...statuses,
      query.labels?.length ?? 0,
      ...(query.labels ?? []).map(nameText),
      orEmpty(query.createdFrom),
      orEmpty(query.createdBefore),
      ...position,
      // One more than asked, to know whether there is another page.
      query.limit + 1 - found.length,
      listBudget,
    ])
    found.push(...answers)
    const [at = '', id = ''] = reached.split(' ')
    position = [at, id]
  } while (position[0] !== '' && found.length <= query.limit)
  const jobs = found.slice(0, query.limit).map(jobOf)
  const last = jobs.at(-1)
  return { jobs, cursor: found.length > query.limit && last ? cursorOf(last) : null }
}

export interface JobLeaseRequest {
  blueprints: BlueprintVersion[]
  limit: number
  leaseMs: number
}

/** `instance` becomes the consumer of the streams. */
export const leaseJobs = async (
  run: Run,
  instance: string,
  consumerIdleMs: number,
  { blueprints, limit, leaseMs }: JobLeaseRequest,
): Promise<Job[]> => {
  const kinds = kindsOf(blueprints)
  if (kinds.length === 0) return []
  const args = [nameText(instance), limit, leaseMs, consumerIdleMs, kinds.length, ...kinds]
  return (await run<JobAnswer[]>('lease-jobs', args)).map(jobOf)
}

export const kindsOf = (blueprints: BlueprintVersion[]): string[] => [
  ...new Set(blueprints.map(({ name, version }) => kindText(name, version))),
]

export const readEvents = async (
  connection: RedisConnection,
  root: string,
  jobId: string,
  since: number,
  limit: number,
): Promise<JobEvent[]> => {
  const range = [String(since), String(since + limit - 1)]
  const lines = (await connection.send(['LRANGE', keyOf(root, 'log', jobId), ...range])) as string[]
  return lines.map((line) => JSON.parse(line) as JobEvent)
}

export const removeJobs = async (run: Run, ids: string[]): Promise<string[]> =>
  ids.length === 0 ? [] : (await run<string[]>('remove-jobs', ids.map(nameText))).map(parseName)

export const purge = async (
  run: Run,
  { finishedBefore, feedBefore, limit }: { finishedBefore: number; feedBefore: number; limit: number },
): Promise<string[]> => (await run<string[]>('purge', [finishedBefore, feedBefore, limit])).map(parseName)

export const stats = async (run: Run, client: string | null): Promise<StoreStats> => {
  const statuses = jobStatus.options
  type QueueAnswer = [queue: string, waiting: number, leased: number, oldestAt: string]
  const args = [orEmpty(client), statuses.length, ...statuses]
  const [counts, queues] = await run<[number[], QueueAnswer[]]>('stats', args)
  return {
    jobs: Object.fromEntries(statuses.flatMap((status, at) => (counts[at] ? [[status, counts[at]]] : []))),
    queues: queues.map(([queue, waiting, leased, oldestAt]) => ({
      queue: parseName(queue),
      waiting,
      leased,
      oldestAt: parseNumber(oldestAt),
    })),
  }
}
