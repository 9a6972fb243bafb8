/** Schedules: of the file, to be looked at, paused and triggered; of clients, to be made and removed as well. */
import {
  jobAccepted,
  name,
  scheduleNext,
  scheduleSpec,
  scheduleView as scheduleViewSchema,
  TuttiError,
} from '@tutti/contracts'
import { scheduleId } from '@tutti/engine'
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf, requireOperator } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { scheduleView } from '../views/schedule-view.ts'

const tags = ['schedules']
const params = z.object({ name })
/** Whose; for operators, who may look after everybody's. */
const querystring = z.object({ client: z.string().max(128).optional() })
const missing = failures('SCHEDULE_NOT_FOUND', 'FORBIDDEN')

export const scheduleRoutes = ({ engine, scheduler, instant }: RouteDeps): FastifyPluginAsyncZod => {
  const view = (kept: Parameters<typeof scheduleView>[0]) => scheduleView(kept, engine, instant)
  /** The owner that is meant: oneself, or somebody else if one may. */
  const ownerOf = (request: FastifyRequest): string => {
    const client = clientOf(request)
    const { client: other } = request.query as z.output<typeof querystring>
    if (other === undefined || other === client.id) return client.id
    requireOperator(client)
    return other
  }
  const named = (request: FastifyRequest): [id: string, owner: string] => {
    const owner = ownerOf(request)
    return [scheduleId(owner, (request.params as z.output<typeof params>).name), owner]
  }

  return async (app) => {
    app.get(
      '/schedules',
      {
        schema: {
          tags,
          operationId: 'listSchedules',
          summary: 'List your schedules',
          description: 'An operator who names no client gets those of all.',
          querystring,
          response: { 200: scheduleViewSchema.array(), ...failures('FORBIDDEN') },
        },
      },
      async (request) => {
        const all = clientOf(request).role !== 'client' && request.query.client === undefined
        return Promise.all((await scheduler.list(all ? null : ownerOf(request))).map(view))
      },
    )

    app.put(
      '/schedules/:name',
      {
        schema: {
          tags,
          operationId: 'putSchedule',
          summary: 'Make or replace a schedule',
          description: 'The fields are those of schedules.toml.',
          params,
          querystring,
          body: scheduleSpec,
          response: {
            200: scheduleViewSchema,
            ...failures('INVALID_BODY', 'BLUEPRINT_NOT_FOUND', 'SCHEDULE_FROM_FILE', 'FORBIDDEN'),
          },
        },
      },
      async (request) => {
        const { blueprint } = request.body
        if (!engine.blueprints.get(blueprint))
          throw new TuttiError('BLUEPRINT_NOT_FOUND', `There is no blueprint "${blueprint}"`, {
            path: 'body.blueprint',
          })
        return view(await scheduler.put(ownerOf(request), request.params.name, request.body, { replace: true }))
      },
    )

    app.get(
      '/schedules/:name',
      {
        schema: {
          tags,
          operationId: 'readSchedule',
          summary: 'Read a schedule',
          params,
          querystring,
          response: { 200: scheduleViewSchema, ...missing },
        },
      },
      async (request) => view(await scheduler.get(...named(request))),
    )

    app.get(
      '/schedules/:name/next',
      {
        schema: {
          tags,
          operationId: 'nextOfSchedule',
          summary: 'When is it due next?',
          description: 'Before jitter; in the time zone of the installation.',
          params,
          querystring: querystring.extend({ count: z.coerce.number().int().min(1).max(100).default(5) }),
          response: { 200: scheduleNext, ...missing },
        },
      },
      async (request) => {
        const kept = await scheduler.get(...named(request))
        return { next: scheduler.next(kept, request.query.count).map(instant) }
      },
    )

    app.delete(
      '/schedules/:name',
      {
        schema: {
          tags,
          operationId: 'removeSchedule',
          summary: 'Remove a schedule; the jobs that it made stay',
          params,
          querystring,
          response: { 204: z.undefined().describe('It is gone'), ...missing, ...failures('SCHEDULE_FROM_FILE') },
        },
      },
      async (request, reply) => {
        await scheduler.remove(...named(request))
        return reply.code(204).send()
      },
    )

    for (const [action, summary] of [
      ['pause', 'Fire nothing until it is resumed'],
      ['resume', 'Go on; what fell due meanwhile is up to its catch-up policy'],
    ] as const)
      app.post(
        `/schedules/:name/${action}`,
        {
          schema: {
            tags,
            operationId: `${action}Schedule`,
            summary,
            params,
            querystring,
            response: { 200: scheduleViewSchema, ...missing },
          },
        },
        async (request) => view(await scheduler[action](...named(request))),
      )

    app.post(
      '/schedules/:name/trigger',
      {
        schema: {
          tags,
          operationId: 'triggerSchedule',
          summary: 'Make a job of it now, beside the plan',
          params,
          querystring,
          response: { 202: jobAccepted, ...missing },
        },
      },
      async (request, reply) => {
        const job = await scheduler.trigger(...named(request))
        return reply.code(202).send({ status: 'accepted', job_id: job.id })
      },
    )
  }
}
