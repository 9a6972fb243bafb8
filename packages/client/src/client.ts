/** The orchestrator's client API. */
import { randomUUID } from 'node:crypto'
import {
  type Approve,
  approvalReceived,
  type BlueprintGraph,
  type BlueprintView,
  blueprintGraph,
  blueprintView,
  type CreateJob,
  cancelAccepted,
  type JobAccepted,
  type JobEventView,
  type JobPage,
  type JobStatus,
  type JobView,
  jobAccepted,
  jobEvent,
  jobPage,
  jobsAccepted,
  jobView,
  type WorkerView,
  workerView,
} from '@tutti/contracts'
import { type ConnectionOptions, createHttp } from './http.ts'
import { type StreamOptions, streamJob } from './job-stream.ts'

export interface JobFilter {
  status?: JobStatus | undefined
  blueprint?: string | undefined
  tag?: string | undefined
  /** Jobs per page. */
  limit?: number | undefined
}

export interface JobsApi {
  /** Creates a job. Its id is chosen here unless given, so that a repeated try can't create a second one. */
  create(job: CreateJob): Promise<JobAccepted>
  /** Creates up to 1,000 jobs in one call: all, or none if one is refused. */
  createMany(jobs: CreateJob[]): Promise<JobAccepted[]>
  get(id: string): Promise<JobView>
  /** Every job that fits, newest first; pages are fetched as they are needed. */
  list(filter?: JobFilter): AsyncIterable<JobView>
  /** One page of `list`. */
  page(filter?: JobFilter & { cursor?: string | undefined }): Promise<JobPage>
  cancel(id: string, reason?: string): Promise<void>
  /** Decides what a job in `waiting_for_human` waits for. */
  approve(id: string, decision: Approve): Promise<void>
  /** All lines of the log after `since`. */
  history(id: string, options?: { since?: number | undefined }): Promise<JobEventView[]>
  /** The log as it grows; goes on after lost connections, and ends after the line that ends the job. */
  stream(id: string, options?: StreamOptions): AsyncIterable<JobEventView>
  /** The job, once it has ended, however it ended. */
  wait(id: string, options?: { signal?: AbortSignal | undefined }): Promise<JobView>
}

export interface Client {
  jobs: JobsApi
  blueprints: {
    list(): Promise<BlueprintView[]>
    graph(name: string): Promise<BlueprintGraph>
  }
  workers: { list(): Promise<WorkerView[]> }
}

const historyPage = 1000

/** Calls fail with TuttiApiError. GETs and everything that carries an id are repeated when that may help. */
export const createClient = (options: ConnectionOptions): Client => {
  const http = createHttp(options)
  const jobPath = (id: string, rest = '') => `/api/v1/jobs/${encodeURIComponent(id)}${rest}`
  const get = <T>(path: string, answer: { parse(value: unknown): T }, query = {}): Promise<T> =>
    http.call({ method: 'GET', path, query, answer })

  const jobs: JobsApi = {
    create: (job) =>
      http.call({
        method: 'POST',
        path: '/api/v1/jobs',
        body: { ...job, id: job.id ?? randomUUID() },
        repeatable: true,
        answer: jobAccepted,
      }),
    createMany: async (many) => {
      const body = { jobs: many.map((job) => ({ ...job, id: job.id ?? randomUUID() })) }
      return (
        await http.call({ method: 'POST', path: '/api/v1/jobs/batch', body, repeatable: true, answer: jobsAccepted })
      ).jobs
    },
    get: (id) => get(jobPath(id), jobView),
    page: (filter = {}) => get('/api/v1/jobs', jobPage, filter),
    list: async function* (filter = {}) {
      let cursor: string | undefined
      do {
        const page: JobPage = await jobs.page({ ...filter, cursor })
        yield* page.items
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined)
    },
    cancel: async (id, reason) => {
      const body = reason === undefined ? {} : { reason }
      await http.call({ method: 'POST', path: jobPath(id, '/cancel'), body, answer: cancelAccepted })
    },
    approve: async (id, decision) => {
      await http.call({ method: 'POST', path: jobPath(id, '/approve'), body: decision, answer: approvalReceived })
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
    stream: (id, streamOptions = {}) => streamJob(http, id, () => jobs.get(id), streamOptions),
    wait: async (id, { signal } = {}) => {
      const { seq } = await jobs.get(id)
      // Only what is still to come: of a long log the end is all that matters here. If the job has ended already, the
      // stream is empty.
      for await (const _line of jobs.stream(id, { since: seq, signal }));
      return await jobs.get(id)
    },
  }

  return {
    jobs,
    blueprints: {
      list: () => get('/api/v1/blueprints', blueprintView.array()),
      graph: (name) => get(`/api/v1/blueprints/${encodeURIComponent(name)}/graph`, blueprintGraph, { format: 'json' }),
    },
    workers: { list: () => get('/api/v1/workers', workerView.array()) },
  }
}
