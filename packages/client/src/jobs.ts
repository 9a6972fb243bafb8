/** Jobs: making them, following them, steering them. */
import { randomUUID } from 'node:crypto'
import {
  type Approve,
  approvalReceived,
  type CreateJob,
  cancelAccepted,
  eventAccepted,
  type ForkJob,
  type JobAccepted,
  type JobEventView,
  type JobExplanation,
  type JobPage,
  type JobStatus,
  type JobView,
  jobAccepted,
  jobEvent,
  jobExplanation,
  jobPage,
  jobsAccepted,
  jobView,
  type MigrateJob,
  type PatchJob,
  type SendEvent,
} from '@tutti/contracts'
import { nothing, pages } from './answers.ts'
import { type FollowedLine, type FollowOptions, followJobs } from './client-stream.ts'
import { createFiles, type FilesApi } from './files.ts'
import type { Http } from './http.ts'
import { type StreamOptions, streamJob } from './job-stream.ts'

export interface JobFilter {
  /** One, or any of several. */
  status?: JobStatus | readonly JobStatus[] | undefined
  blueprint?: string | undefined
  tag?: string | undefined
  /** All of them must hold. */
  metadata?: Record<string, string> | undefined
  parent_job_id?: string | undefined
  schedule_id?: string | undefined
  forked_from?: string | undefined
  /** Instants, as ISO 8601 with an offset: the first included, the last not. */
  created_from?: string | undefined
  created_before?: string | undefined
  /** Jobs per page. */
  limit?: number | undefined
}

export interface CreateOptions {
  /** Sent as Idempotency-Key, instead of an id: the same request under the same key answers with the jobs that it made. */
  idempotencyKey?: string | undefined
}

export interface JobsApi {
  /** Creates a job. Its id is chosen here unless given, so that a repeated try can't create a second one. */
  create(job: CreateJob, options?: CreateOptions): Promise<JobAccepted>
  /** Creates up to 1,000 jobs in one call: all, or none if one is refused. */
  createMany(jobs: CreateJob[], options?: CreateOptions): Promise<JobAccepted[]>
  get(id: string): Promise<JobView>
  /** Every job that fits, newest first; pages are fetched as they are needed. */
  list(filter?: JobFilter): AsyncIterable<JobView>
  /** One page of `list`. */
  page(filter?: JobFilter & { cursor?: string | undefined }): Promise<JobPage>
  /** Those that were set aside; an operator's token sees everybody's. The newest 500. */
  quarantined(): Promise<JobView[]>
  cancel(id: string, reason?: string): Promise<void>
  /** Decides what a job in `waiting_for_human` waits for. */
  approve(id: string, decision: Approve): Promise<void>
  /** All lines of the log after `since`. */
  history(id: string, options?: { since?: number | undefined }): Promise<JobEventView[]>
  /** The log as it grows; goes on after lost connections, and ends after the line that ends the job. */
  stream(id: string, options?: StreamOptions): AsyncIterable<JobEventView>
  /** The logs of all your jobs as they grow; ends only by leaving the loop or by the signal. */
  streamAll(options?: FollowOptions): AsyncIterable<FollowedLine>
  /** The job, once it has ended, however it ended. */
  wait(id: string, options?: { signal?: AbortSignal | undefined }): Promise<JobView>
  /** The job takes no further step until it is resumed; what is under way goes on. */
  pause(id: string): Promise<JobView>
  resume(id: string): Promise<JobView>
  /** Changes priority, tags and metadata; those given replace the old ones. */
  update(id: string, changes: Omit<PatchJob, 'paused'>): Promise<JobView>
  /** Begins a new job from a past state of this one. Not repeated by itself when the answer is lost: it would be a second one. */
  fork(id: string, from?: ForkJob): Promise<JobAccepted>
  /** Tries a job that has ended again, from the state in which it failed; the answer names the new job. */
  retry(id: string): Promise<JobAccepted>
  /** What the job waits for with `waitForEvent`. The event's id is chosen here unless given, so that it counts once. */
  sendEvent(id: string, event: SendEvent): Promise<void>
  /** Puts a waiting job onto another version of its blueprint. */
  migrate(id: string, to: MigrateJob): Promise<JobView>
  /** Removes a job that has ended, with its log and its files. */
  remove(id: string): Promise<void>
  /** Why it waits: for its open tasks, who could take them, and for each worker the first reason why not. */
  explain(id: string): Promise<JobExplanation>
  files: FilesApi
}

const historyPage = 1000

export const createJobs = (http: Http): JobsApi => {
  const jobPath = (id: string, rest = '') => `/api/v1/jobs/${encodeURIComponent(id)}${rest}`
  const get = <T>(path: string, answer: { parse(value: unknown): T }, query = {}): Promise<T> =>
    http.call({ method: 'GET', path, query, answer })
  const post = <T>(path: string, body: unknown, answer: { parse(value: unknown): T }): Promise<T> =>
    http.call({ method: 'POST', path, body, answer })
  const patch = (id: string, body: PatchJob): Promise<JobView> =>
    http.call({ method: 'PATCH', path: jobPath(id), body, answer: jobView })
  const named =
    ({ idempotencyKey }: CreateOptions) =>
    (job: CreateJob): CreateJob =>
      idempotencyKey === undefined ? { ...job, id: job.id ?? randomUUID() } : job
  const keyHeader = ({ idempotencyKey }: CreateOptions): Record<string, string> =>
    idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }

  const jobs: JobsApi = {
    create: (job, options = {}) =>
      http.call({
        method: 'POST',
        path: '/api/v1/jobs',
        headers: keyHeader(options),
        body: named(options)(job),
        repeatable: true,
        answer: jobAccepted,
      }),
    createMany: async (many, options = {}) => {
      const answer = await http.call({
        method: 'POST',
        path: '/api/v1/jobs/batch',
        headers: keyHeader(options),
        body: { jobs: many.map(named(options)) },
        repeatable: true,
        answer: jobsAccepted,
      })
      return answer.jobs
    },
    get: (id) => get(jobPath(id), jobView),
    explain: (id) => get(jobPath(id, '/explain'), jobExplanation),
    page: ({ metadata, ...filter } = {}) => {
      const pairs = Object.entries(metadata ?? {}).map(([key, value]) => `${key}=${value}`)
      return get('/api/v1/jobs', jobPage, { ...filter, metadata: pairs })
    },
    list: (filter = {}) => pages((cursor) => jobs.page({ ...filter, cursor })),
    quarantined: () => get('/api/v1/jobs/quarantined', jobView.array()),
    cancel: async (id, reason) => {
      await post(jobPath(id, '/cancel'), reason === undefined ? {} : { reason }, cancelAccepted)
    },
    approve: async (id, decision) => {
      await post(jobPath(id, '/approve'), decision, approvalReceived)
    },
    history: async (id, { since = 0 } = {}) => {
      const lines: JobEventView[] = []
      for (;;) {
        const from = lines.at(-1)?.seq ?? since
        const page = await get(jobPath(id, '/history'), jobEvent.array(), { since: from, limit: historyPage })
        lines.push(...page)
        if (page.length < historyPage) return lines
      }
    },
    stream: (id, options = {}) => streamJob(http, id, () => jobs.get(id), options),
    streamAll: (options = {}) => followJobs(http, options),
    wait: async (id, { signal } = {}) => {
      const { seq } = await jobs.get(id)
      // Only what is still to come: of a long log the end is all that matters here. If the job has ended already, the
      // stream is empty.
      for await (const _line of jobs.stream(id, { since: seq, signal }));
      return await jobs.get(id)
    },
    pause: (id) => patch(id, { paused: true }),
    resume: (id) => patch(id, { paused: false }),
    update: (id, changes) => patch(id, changes),
    fork: (id, from = {}) => post(jobPath(id, '/fork'), from, jobAccepted),
    retry: (id) => post(jobPath(id, '/retry'), {}, jobAccepted),
    sendEvent: async (id, event) => {
      const body = { ...event, id: event.id ?? randomUUID() }
      await http.call({
        method: 'POST',
        path: jobPath(id, '/events'),
        body,
        repeatable: true,
        answer: eventAccepted,
      })
    },
    migrate: (id, to) => post(jobPath(id, '/migrate'), to, jobView),
    remove: (id) => http.call({ method: 'DELETE', path: jobPath(id), answer: nothing }),
    files: createFiles(http, jobPath),
  }
  return jobs
}
