/** The history archive: lines of all your jobs, also of those that the Store has forgotten. */
import { Readable } from 'node:stream'
import { exportHistory, historyPage, listHistory, TuttiError } from '@tutti/contracts'
import type { HistoryArchive, HistoryQuery } from '@tutti/history'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { defined } from '../http/defined.ts'
import { archivedView } from '../views/archived-view.ts'

const tags = ['history']

export const historyRoutes = ({ archive, parking, instant }: RouteDeps): FastifyPluginAsyncZod => {
  const kept = (): HistoryArchive => {
    if (archive) return archive
    throw new TuttiError('HISTORY_NOT_ENABLED', 'There is no history archive: HISTORY_DATABASE_URI is not set')
  }
  return async (app) => {
    app.get(
      '/history',
      {
        schema: {
          tags,
          operationId: 'searchHistory',
          summary: 'Search the history, newest lines first',
          querystring: listHistory,
          response: { 200: historyPage, ...failures('INVALID_QUERY', 'HISTORY_NOT_ENABLED') },
        },
      },
      async (request) => {
        const { events, cursor } = await kept().events(queryOf(clientOf(request).id, request.query))
        return { items: events.map((event) => archivedView(event, instant)), next_cursor: cursor }
      },
    )

    app.get(
      '/history/export',
      {
        schema: {
          tags,
          operationId: 'exportHistory',
          summary: 'All of it, as JSON lines, newest first',
          querystring: exportHistory,
          response: {
            200: { description: 'One line each', content: { 'application/x-ndjson': { schema: z.string() } } },
            ...failures('INVALID_QUERY', 'HISTORY_NOT_ENABLED'),
          },
        },
      },
      async (request, reply) => {
        const lines = exported(
          kept(),
          queryOf(clientOf(request).id, { ...request.query, limit: portion }),
          parking.enter(reply),
        )
        return reply.type('application/x-ndjson; charset=utf-8').send(Readable.from(lines) as unknown as string)
      },
    )
  }

  /** A page at a time: a slow reader holds back the reading and not the memory. */
  async function* exported(from: HistoryArchive, query: HistoryQuery, signal: AbortSignal): AsyncGenerator<string> {
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<HistoryArchive['events']>> = await from.events({
        ...query,
        ...(cursor === null ? {} : { cursor }),
      })
      if (page.events.length > 0)
        yield page.events.map((event) => `${JSON.stringify(archivedView(event, instant))}\n`).join('')
      cursor = page.cursor
    } while (cursor !== null && !signal.aborted)
  }
}

const portion = 1_000

const queryOf = (
  client: string,
  query: z.output<typeof exportHistory> & { limit: number; cursor?: string | undefined },
): HistoryQuery => {
  const { limit, cursor, job_id, blueprint, event_type, worker_id, from, before } = query
  return {
    client,
    limit,
    ...defined({ cursor, jobId: job_id, blueprint, types: event_type, worker: worker_id }),
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(before === undefined ? {} : { before: Date.parse(before) }),
  }
}
