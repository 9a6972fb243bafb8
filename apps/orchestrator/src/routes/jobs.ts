/** Creating jobs, reading them, cancelling them. */
import {
  cancelAccepted,
  cancelJob,
  createJob,
  createJobs,
  historyQuery,
  type JobPage,
  type JobView,
  jobAccepted,
  jobEvent,
  jobPage,
  jobsAccepted,
  jobView as jobViewSchema,
  listJobs,
  readJob,
  TuttiError,
} from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { tellQuota } from '../http/quota.ts'
import { eventView, jobView } from '../views/job-view.ts'
import { selectJobView } from '../views/older-job-view.ts'
import { createSpecs } from './create-spec.ts'
import { jobId, jobParams } from './job-id.ts'
import { jobQuery } from './job-query.ts'
import { olderJobList } from './older-job-list.ts'

const tags = ['jobs']

export const jobRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { engine, instant } = deps
  return async (app) => {
    const { clientApiPrefix } = deps.settings
    const older = app.prefix === (clientApiPrefix === '' ? '' : `/${clientApiPrefix}`)
    app.post(
      '/jobs',
      {
        schema: {
          tags,
          operationId: 'createJob',
          summary: 'Create a job',
          description:
            'With an `id` of your own, or the header Idempotency-Key, the call can be repeated: the job that is there answers.',
          body: createJob,
          response: {
            202: jobAccepted,
            ...failures(
              'INVALID_BODY',
              'BLUEPRINT_NOT_FOUND',
              'PAYLOAD_TOO_LARGE',
              'IDEMPOTENCY_CONFLICT',
              'QUOTA_EXCEEDED',
            ),
          },
        },
      },
      async (request, reply) => {
        const { blueprint, input, ...options } = request.body
        const [job] = await engine.create(createSpecs(deps, request, [{ blueprint, input, options, path: 'body' }]))
        await tellQuota(deps, request, reply)
        return reply.code(202).send({ status: 'accepted', job_id: job?.id ?? '' })
      },
    )

    app.post(
      '/jobs/batch',
      {
        schema: {
          tags,
          operationId: 'createJobs',
          summary: 'Create up to 1,000 jobs',
          description: 'All are checked before the first is created: one bad job refuses the call.',
          body: createJobs,
          response: {
            202: jobsAccepted,
            ...failures(
              'INVALID_BODY',
              'BLUEPRINT_NOT_FOUND',
              'PAYLOAD_TOO_LARGE',
              'IDEMPOTENCY_CONFLICT',
              'QUOTA_EXCEEDED',
            ),
          },
        },
      },
      async (request, reply) => {
        const wanted = request.body.jobs.map(({ blueprint, input, ...options }, at) => ({
          blueprint,
          input,
          options,
          path: `body.jobs.${at}`,
        }))
        const specs = createSpecs(deps, request, wanted)
        const jobs = await engine.create(specs).catch((error: unknown) => {
          throw specs.length === 1 ? movePath(error, 'body', 'body.jobs.0') : error
        })
        await tellQuota(deps, request, reply)
        return reply.code(202).send({ jobs: jobs.map((job) => ({ status: 'accepted' as const, job_id: job.id })) })
      },
    )

    app.get(
      '/jobs',
      {
        schema: {
          tags,
          operationId: 'listJobs',
          summary: 'List your jobs, newest first',
          description: 'With `offset`, as older clients ask: an array, of each job the newest line of its log.',
          querystring: listJobs,
          response: { 200: jobPage, ...failures('INVALID_QUERY') },
        },
        preValidation: async (request, reply) => {
          const query = request.query as Record<string, unknown>
          if (!older && query.offset === undefined) return
          // The other form of the same address, which the documented one does not know.
          return reply.send((await olderJobList(deps, clientOf(request).id, query)) as unknown as JobPage)
        },
      },
      async (request) => {
        const page = await engine.jobs(jobQuery(clientOf(request).id, request.query))
        return { items: page.jobs.map((job) => jobView(job, instant)), next_cursor: page.cursor }
      },
    )

    app.get(
      '/jobs/:id',
      {
        schema: {
          tags,
          operationId: 'readJob',
          summary: 'Read a job',
          description:
            'With `fields` only those, and the id. Beside the fields here the answer holds them under the names of older clients.',
          params: jobParams,
          querystring: readJob,
          response: { 200: jobViewSchema, ...failures('INVALID_QUERY', 'JOB_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const job = await engine.job(jobId(request.params), clientOf(request).id)
        const selection = { fields: request.query.fields ?? null, detailed: deps.settings.detailedAnswers }
        // Wider than the documented view, or narrower, as was asked for.
        return reply.send(selectJobView(job, instant, selection) as JobView)
      },
    )

    app.get(
      '/jobs/:id/history',
      {
        schema: {
          tags,
          operationId: 'readHistory',
          summary: 'Read a job’s log',
          description: 'Lines after `since`, in order. `seq` counts without gaps.',
          params: jobParams,
          querystring: historyQuery,
          response: { 200: jobEvent.array(), ...failures('INVALID_QUERY', 'JOB_NOT_FOUND') },
        },
      },
      async (request) => {
        const { since, limit } = request.query
        const id = jobId(request.params)
        const { id: client } = clientOf(request)
        try {
          await engine.job(id, client)
        } catch (error) {
          // The Store forgets; the archive does not.
          const archived = (await deps.archive?.jobEvents(id, since, limit)) ?? []
          if (archived.length === 0 || archived.some((event) => event.client !== client)) throw error
          return archived.map((event) => eventView(event, instant))
        }
        return (await engine.events(id, since, limit)).map((event) => eventView(event, instant))
      },
    )

    app.post(
      '/jobs/:id/cancel',
      {
        schema: {
          tags,
          operationId: 'cancelJob',
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
