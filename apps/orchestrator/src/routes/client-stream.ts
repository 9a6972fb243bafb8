/** What happens to all jobs of a client, as it happens: server-sent events, resumable without a gap. */
import { Readable } from 'node:stream'
import type { Store } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { createBell } from '../http/bell.ts'
import type { WriteInstant } from '../views/instant.ts'
import { eventView } from '../views/job-view.ts'

const cursor = z.string().min(1).max(200)

export const clientStreamRoutes = ({ store, parking, settings, instant }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/stream',
      {
        schema: {
          tags: ['jobs'],
          operationId: 'followJobs',
          summary: 'Follow the logs of all your jobs',
          description:
            'Server-sent events: `id` is a cursor, `event` the line’s type, `data` the line. Resume with `since` or the header ' +
            'Last-Event-ID; without either it begins now, with `since=start` at the oldest line that is kept.',
          querystring: z.object({ since: cursor.optional() }),
          response: {
            200: { description: 'The logs', content: { 'text/event-stream': { schema: z.string() } } },
            ...failures('INVALID_QUERY'),
          },
        },
      },
      async (request, reply) => {
        const client = clientOf(request).id
        const given = request.query.since ?? cursor.safeParse(request.headers['last-event-id']).data
        const after = given === 'start' ? null : (given ?? (await store.feedEnd()))
        // Here, so that a cursor that was never given is refused with a status.
        await store.feed({ after, limit: 1, client })
        const signal = parking.enter(reply)
        const frames = follow({ store, client, after, signal, quietMs: settings.streamHeartbeatMs, instant })
        return reply
          .type('text/event-stream; charset=utf-8')
          .header('cache-control', 'no-cache, no-transform')
          .header('x-accel-buffering', 'no')
          .send(Readable.from(frames) as unknown as string)
      },
    )
  }
}

interface Follow {
  store: Pick<Store, 'feed' | 'subscribe'>
  client: string
  after: string | null
  signal: AbortSignal
  quietMs: number
  instant: WriteInstant
}

const pageSize = 500

/** As with one job's stream: the bell rings before the first read, and a slow reader holds back the reading and not the memory. */
async function* follow({ store, client, after, signal, quietMs, instant }: Follow): AsyncGenerator<string> {
  const bell = createBell()
  const unsubscribe = store.subscribe(({ jobs, resync }) => {
    if (jobs?.length || resync) bell.ring()
  })
  signal.addEventListener('abort', bell.ring)
  try {
    let last = after
    yield 'retry: 2000\n\n'
    while (!signal.aborted) {
      const { events, cursor: next } = await store.feed({ after: last, limit: pageSize, client })
      for (const event of events)
        yield `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event, instant))}\n\n`
      last = next
      if (events.length === pageSize) continue
      if (!(await bell.wait(quietMs))) yield ': still here\n\n'
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', bell.ring)
  }
}
