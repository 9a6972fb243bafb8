/** Creating jobs, reading them, cancelling them. */
import {
  cancelAccepted,
  cancelJob,
  createJob,
  createJobs,
  historyQuery,
  jobAccepted,
  jobEvent,
  jobPage,
  jobsAccepted,
  jobView as jobViewSchema,
  listJobs,
  TuttiError,
} from '@tutti/contracts'
import type { JobQuery } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { eventView, jobView } from '../views/job-view.ts'
import { createSpec } from './create-spec.ts'
import { jobId, jobParams } from './job-id.ts'

const tags = ['jobs']

export const jobRoutes = ({ engine, instant }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      '/jobs',
      {
        schema: {
          tags,
          summary: 'Create a job',
          description: 'With an `id` of your own the call can be repeated: the job that is there answers.',
          body: createJob,
          response: { 202: jobAccepted, ...failures('INVALID_BODY', 'BLUEPRINT_NOT_FOUND', 'PAYLOAD_TOO_LARGE') },
        },
      },
      async (request, reply) => {
        const { blueprint, input, ...options } = request.body
        const [job] = await engine.create([createSpec(clientOf(request).id, blueprint, input, options)])
        return reply.code(202).send({ status: 'accepted', job_id: job?.id ?? '' })
      },
    )

    app.post(
      '/jobs/batch',
      {
        schema: {
          tags,
          summary: 'Create up to 1,000 jobs',
          description: 'All are checked before the first is created: one bad job refuses the call.',
          body: createJobs,
          response: { 202: jobsAccepted, ...failures('INVALID_BODY', 'BLUEPRINT_NOT_FOUND', 'PAYLOAD_TOO_LARGE') },
        },
      },
      async (request, reply) => {
        const client = clientOf(request).id
        const specs = request.body.jobs.map(({ blueprint, input, ...options }) =>
          createSpec(client, blueprint, input, options),
        )
        const jobs = await engine.create(specs).catch((error: unknown) => {
          throw specs.length === 1 ? movePath(error, 'body', 'body.jobs.0') : error
        })
        return reply.code(202).send({ jobs: jobs.map((job) => ({ status: 'accepted' as const, job_id: job.id })) })
      },
    )

    app.get(
      '/jobs',
      {
        schema: {
          tags,
          summary: 'List your jobs, newest first',
          querystring: listJobs,
          response: { 200: jobPage, ...failures('INVALID_QUERY') },
        },
      },
      async (request) => {
        const { limit, cursor, status, blueprint, tag } = request.query
        const query: JobQuery = {
          client: clientOf(request).id,
          limit,
          ...(cursor === undefined ? {} : { cursor }),
          ...(status === undefined ? {} : { statuses: [status] }),
          ...(blueprint === undefined ? {} : { blueprint }),
          ...(tag === undefined ? {} : { labels: [tag] }),
        }
        const page = await engine.jobs(query)
        return { items: page.jobs.map((job) => jobView(job, instant)), next_cursor: page.cursor }
      },
    )

    app.get(
      '/jobs/:id',
      {
        schema: {
          tags,
          summary: 'Read a job',
          params: jobParams,
          response: { 200: jobViewSchema, ...failures('JOB_NOT_FOUND') },
        },
      },
      async (request) => jobView(await engine.job(jobId(request.params), clientOf(request).id), instant),
    )

    app.get(
      '/jobs/:id/history',
      {
        schema: {
          tags,
          summary: 'Read a job’s log',
          description: 'Lines after `since`, in order. `seq` counts without gaps.',
          params: jobParams,
          querystring: historyQuery,
          response: { 200: jobEvent.array(), ...failures('INVALID_QUERY', 'JOB_NOT_FOUND') },
        },
      },
      async (request) => {
        const { since, limit } = request.query
        const { id } = await engine.job(jobId(request.params), clientOf(request).id)
        return (await engine.events(id, since, limit)).map((event) => eventView(event, instant))
      },
    )

    app.post(
      '/jobs/:id/cancel',
      {
        schema: {
          tags,
          summary: 'Cancel a job',
          description: 'The job is cancelled at once; its workers are told to stop.',
          params: jobParams,
          body: cancelJob,
          response: { 200: cancelAccepted, ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'JOB_TERMINAL') },
        },
      },
      async (request) => {
        const { id: client } = clientOf(request)
        const job = await engine.cancel(jobId(request.params), client, client, request.body.reason ?? null)
        return { status: 'cancellation_request_accepted' as const, job_id: job.id }
      },
    )
  }
}

/** The engine names faults by the body of POST /jobs; other bodies have the same things in other places. */
export const movePath = (error: unknown, from: string, to: string): unknown => {
  if (!(error instanceof TuttiError) || error.path === undefined) return error
  if (error.path !== from && !error.path.startsWith(`${from}.`)) return error
  const moved = `${to}${error.path.slice(from.length)}`
  return new TuttiError(error.code, error.message.replaceAll(error.path, moved), { path: moved, cause: error })
}
