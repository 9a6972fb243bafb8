import {
  createScheduledTask,
  dispatchDue,
  dispatchedDue,
  envelope,
  patchScheduledTask,
  runView,
  scheduledTaskTriggered,
  scheduledTaskView,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { ScheduledTasks } from '@tutti/workbench'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

const tags = ['scheduled tasks']
const one = envelope(scheduledTaskView)

/** As of POST /api/v1/tasks. */
const refusalsOfMessages = [
  ...(['BUDGET_EXCEEDED', 'SESSION_NOT_FOUND', 'SESSION_CANCELING', 'QUEUE_FULL'] as const),
  ...(['PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND'] as const),
]

const tasksOf = ({ workbench }: RouteDeps): ScheduledTasks => {
  if (!workbench.scheduledTasks) throw new TypeError('the workbench keeps no schedules')
  return workbench.scheduledTasks
}

/** Messages that send themselves by the clock. */
export const scheduledTaskRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { userId, taskBodyBytes: bodyLimit } = deps.config
  return async (app) => {
    app.get(
      '/scheduled-tasks',
      {
        schema: {
          ...{ tags, operationId: 'listScheduledTasks', summary: 'List scheduled tasks, newest first' },
          ...{ querystring: pageQuery, response: { 200: envelope(z.array(scheduledTaskView)) } },
        },
      },
      async (request, reply) => {
        const { query } = request
        const found = await tasksOf(deps).list(userId, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.post(
      '/scheduled-tasks',
      {
        schema: {
          ...{ tags, operationId: 'createScheduledTask', summary: 'Create a scheduled task' },
          ...{
            body: createScheduledTask,
            response: {
              200: one,
              ...failures('TOO_MANY_SCHEDULED_TASKS', 'PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND'),
            },
          },
        },
        bodyLimit,
      },
      async ({ body }) => ok(await tasksOf(deps).create(userId, body)),
    )

    app.get(
      '/scheduled-tasks/:id',
      {
        schema: {
          ...{ tags, operationId: 'getScheduledTask', summary: 'Show a scheduled task' },
          ...{ params: idParams, response: { 200: one, ...failures('SCHEDULED_TASK_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await tasksOf(deps).get(userId, params.id)),
    )

    app.patch(
      '/scheduled-tasks/:id',
      {
        schema: {
          ...{ tags, operationId: 'patchScheduledTask', summary: 'Change a scheduled task' },
          ...{
            params: idParams,
            body: patchScheduledTask,
            response: {
              200: one,
              ...failures('SCHEDULED_TASK_NOT_FOUND', 'PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND'),
            },
          },
        },
        bodyLimit,
      },
      async ({ params, body }) => ok(await tasksOf(deps).patch(userId, params.id, body)),
    )

    app.delete(
      '/scheduled-tasks/:id',
      {
        schema: {
          ...{ tags, operationId: 'deleteScheduledTask', summary: 'Delete a scheduled task; its runs stay' },
          ...{
            params: idParams,
            response: { 200: envelope(z.object({ id: z.uuid() })), ...failures('SCHEDULED_TASK_NOT_FOUND') },
          },
        },
      },
      async ({ params }) => {
        await tasksOf(deps).delete(userId, params.id)
        return ok({ id: params.id })
      },
    )

    app.post(
      '/scheduled-tasks/:id/trigger',
      {
        schema: {
          ...{ tags, operationId: 'triggerScheduledTask', summary: 'Run a scheduled task now' },
          ...{
            params: idParams,
            response: {
              200: envelope(scheduledTaskTriggered),
              ...failures('SCHEDULED_TASK_NOT_FOUND', ...refusalsOfMessages),
            },
          },
        },
      },
      async ({ params }) => ok(await tasksOf(deps).trigger(userId, params.id)),
    )

    app.get(
      '/scheduled-tasks/:id/runs',
      {
        schema: {
          ...{
            tags,
            operationId: 'listRunsOfScheduledTask',
            summary: 'List the runs of a scheduled task, newest first',
          },
          ...{
            params: idParams,
            querystring: pageQuery,
            response: { 200: envelope(z.array(runView)), ...failures('SCHEDULED_TASK_NOT_FOUND') },
          },
        },
      },
      async (request, reply) => {
        const { query, params } = request
        const found = await tasksOf(deps).runs(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )
  }
}

/** For whoever used to drive them from outside. */
export const internalScheduledTaskRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      '/internal/scheduled-tasks/dispatch-due',
      {
        schema: {
          tags,
          operationId: 'dispatchDueScheduledTasks',
          summary: 'Tell what came of the scheduled tasks that are due now',
          body: dispatchDue.prefault({}),
          response: { 200: envelope(dispatchedDue) },
        },
      },
      async ({ body }) => ok(await tasksOf(deps).dispatchDue(body.limit)),
    )
  }
}
