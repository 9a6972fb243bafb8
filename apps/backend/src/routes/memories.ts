import {
  createMemory,
  envelope,
  memoryChange,
  memoryJob,
  memoryView,
  putMemory,
  searchMemories,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

const tags = ['memories']
const one = envelope(memoryView)
const many = envelope(z.array(memoryView))

/** What is remembered for the user beyond one session. */
export const memoryRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  const { memories } = workbench
  return async (app) => {
    app.get(
      '/memories',
      {
        schema: {
          ...{ tags, operationId: 'listMemories', summary: 'List memories, newest first' },
          ...{ querystring: pageQuery.extend({ project_id: z.uuid().optional() }), response: { 200: many } },
        },
      },
      async (request, reply) => {
        const { limit, offset, project_id } = request.query
        const found = await memories.list(userId, { ...oneMore({ limit, offset }), projectId: project_id ?? null })
        return ok(cut(request, reply, found, limit, () => ({ offset: offset + limit })))
      },
    )

    app.post(
      '/memories',
      {
        schema: {
          ...{ tags, operationId: 'createMemory', summary: 'Remember a text' },
          ...{
            body: createMemory,
            response: { 200: envelope(memoryJob), ...failures('MEMORY_FULL', 'PROJECT_NOT_FOUND') },
          },
        },
      },
      async ({ body }) => ok(await memories.add(userId, body)),
    )

    app.delete(
      '/memories',
      {
        schema: {
          ...{ tags, operationId: 'deleteMemories', summary: 'Forget everything' },
          response: { 200: envelope(z.object({ deleted: z.int() })) },
        },
      },
      async () => ok({ deleted: await memories.forgetAll(userId) }),
    )

    app.post(
      '/memories/search',
      {
        schema: {
          ...{ tags, operationId: 'searchMemories', summary: 'Find memories by their words' },
          ...{ body: searchMemories, response: { 200: many } },
        },
      },
      async ({ body }) => ok(await memories.search(userId, body)),
    )

    app.get(
      '/memories/jobs/active',
      {
        schema: {
          ...{ tags, operationId: 'getActiveMemoryJob', summary: 'Show the memory job at work: there never is one' },
          response: { 200: envelope(z.null()) },
        },
      },
      async () => ok(null),
    )

    app.get(
      '/memories/jobs/:id',
      {
        schema: {
          ...{ tags, operationId: 'getMemoryJob', summary: 'Show how the making of a memory came out' },
          ...{ params: idParams, response: { 200: envelope(memoryJob), ...failures('MEMORY_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await memories.job(userId, params.id)),
    )

    app.get(
      '/memories/:id',
      {
        schema: {
          ...{ tags, operationId: 'getMemory', summary: 'Show a memory' },
          ...{ params: idParams, response: { 200: one, ...failures('MEMORY_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await memories.get(userId, params.id)),
    )

    app.put(
      '/memories/:id',
      {
        schema: {
          ...{ tags, operationId: 'putMemory', summary: 'Write a memory anew' },
          ...{ params: idParams, body: putMemory, response: { 200: one, ...failures('MEMORY_NOT_FOUND') } },
        },
      },
      async ({ params, body }) => ok(await memories.put(userId, params.id, body)),
    )

    app.delete(
      '/memories/:id',
      {
        schema: {
          ...{ tags, operationId: 'deleteMemory', summary: 'Forget a memory, with its history' },
          ...{
            params: idParams,
            response: { 200: envelope(z.object({ id: z.uuid() })), ...failures('MEMORY_NOT_FOUND') },
          },
        },
      },
      async ({ params }) => {
        await memories.forget(userId, params.id)
        return ok({ id: params.id })
      },
    )

    app.get(
      '/memories/:id/history',
      {
        schema: {
          ...{ tags, operationId: 'getMemoryHistory', summary: 'List the changes of a memory, oldest first' },
          ...{ params: idParams, response: { 200: envelope(z.array(memoryChange)), ...failures('MEMORY_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await memories.history(userId, params.id)),
    )
  }
}
