/** What a client may do to a job that is there. */
import {
  eventAccepted,
  forkJob,
  jobAccepted,
  jobView as jobViewSchema,
  migrateJob,
  patchJob,
  sendEvent,
  TuttiError,
} from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { defined } from '../http/defined.ts'
import { jobView } from '../views/job-view.ts'
import { jobId, jobParams } from './job-id.ts'

const tags = ['jobs']

export const jobActionRoutes = ({ engine, instant }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.patch(
      '/jobs/:id',
      {
        schema: {
          tags,
          operationId: 'updateJob',
          summary: 'Pause a job, let it go on, or change what does not touch its course',
          description: 'A paused job takes no further step; what is under way goes on, and its results are recorded.',
          params: jobParams,
          body: patchJob,
          response: { 200: jobViewSchema, ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'JOB_TERMINAL') },
        },
      },
      async (request) => {
        const { id: client } = clientOf(request)
        const id = jobId(request.params)
        const { paused, ...changes } = request.body
        let job = await engine.job(id, client)
        if (Object.values(changes).some((value) => value !== undefined))
          job = await engine.update(id, client, defined(changes), client)
        if (paused === true) job = await engine.pause(id, client, client)
        if (paused === false) job = await engine.resume(id, client, client)
        return jobView(job, instant)
      },
    )

    app.post(
      '/jobs/:id/events',
      {
        schema: {
          tags,
          operationId: 'sendEvent',
          summary: 'Send a job an event',
          description:
            'What the job waits for with `waitForEvent`. One that it does not wait for yet is kept for it. With an `id` the call ' +
            'can be repeated.',
          params: jobParams,
          body: sendEvent,
          response: {
            200: eventAccepted,
            ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'JOB_TERMINAL', 'TOO_MANY_SIGNALS'),
          },
        },
      },
      async (request) => {
        const { name, data, id } = request.body
        const event = { name, data, ...(id === undefined ? {} : { id }) }
        const job = await engine.signal(jobId(request.params), clientOf(request).id, event)
        return { status: 'event_accepted' as const, job_id: job.id }
      },
    )

    const forkAnswer = {
      202: jobAccepted,
      ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'BLUEPRINT_NOT_FOUND'),
    }
    app.post(
      '/jobs/:id/fork',
      {
        schema: {
          tags,
          operationId: 'forkJob',
          summary: 'Begin a new job from a past state of this one',
          description:
            'As it last entered `state`, or as it stood after line `seq` of its log. `data` is laid over what it had then; `input` ' +
            'and `version` replace its own.',
          params: jobParams,
          body: forkJob,
          response: forkAnswer,
        },
      },
      async (request, reply) => {
        const { id: client } = clientOf(request)
        const job = await engine.fork(jobId(request.params), client, { ...defined(request.body), by: client })
        return reply.code(202).send({ status: 'accepted', job_id: job.id })
      },
    )

    app.post(
      '/jobs/:id/retry',
      {
        schema: {
          tags,
          operationId: 'retryJob',
          summary: 'Try a job again from the state in which it failed',
          description: 'A job that has ended stays as it is: the answer names the new one.',
          params: jobParams,
          body: z.object({}).default({}),
          response: { ...forkAnswer, ...failures('JOB_RUNNING') },
        },
      },
      async (request, reply) => {
        const { id: client } = clientOf(request)
        const former = await engine.job(jobId(request.params), client)
        if (former.finishedAt === null)
          throw new TuttiError('JOB_RUNNING', `The job has not ended: its status is ${former.status}`)
        const job = await engine.fork(former.id, client, { by: client })
        return reply.code(202).send({ status: 'accepted', job_id: job.id })
      },
    )

    app.post(
      '/jobs/:id/migrate',
      {
        schema: {
          tags,
          operationId: 'migrateJob',
          summary: 'Put a job onto another version of its blueprint',
          description: 'The job must wait or be paused. `state` where the present one is not there any more.',
          params: jobParams,
          body: migrateJob,
          response: {
            200: jobViewSchema,
            ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'BLUEPRINT_NOT_FOUND', 'JOB_NOT_WAITING'),
          },
        },
      },
      async (request) => {
        const { id: client } = clientOf(request)
        const to = { ...defined(request.body), version: request.body.version, by: client }
        return jobView(await engine.migrate(jobId(request.params), client, to), instant)
      },
    )

    app.delete(
      '/jobs/:id',
      {
        schema: {
          tags,
          operationId: 'removeJob',
          summary: 'Remove a job that has ended, with its log and its files',
          params: jobParams,
          response: { 204: z.undefined().describe('It is gone'), ...failures('JOB_NOT_FOUND', 'JOB_RUNNING') },
        },
      },
      async (request, reply) => {
        await engine.remove(jobId(request.params), clientOf(request).id)
        return reply.code(204).send()
      },
    )
  }
}
