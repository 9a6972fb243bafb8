/** A job's log as it grows: server-sent events, resumable without a gap. */
import { Readable } from 'node:stream'
import { isTerminal, terminalStatuses } from '@tutti/contracts'
import type { Engine, JobEvent } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { createBell } from '../http/bell.ts'
import type { WriteInstant } from '../views/instant.ts'
import { eventView } from '../views/job-view.ts'
import { jobId, jobParams } from './job-id.ts'

const since = z.coerce.number().int().min(0)

export const jobStreamRoutes = ({ engine, parking, settings, instant }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/jobs/:id/stream',
      {
        schema: {
          tags: ['jobs'],
          operationId: 'followJob',
          summary: 'Follow a job’s log',
          description:
            'Server-sent events: `id` is the line’s seq, `event` its type, `data` the line. Resume with `since` or the header ' +
            'Last-Event-ID. The stream ends after the line that ends the job; 204 tells that nothing can follow.',
          params: jobParams,
          querystring: z.object({ since: since.optional() }),
          response: {
            200: { description: 'The log', content: { 'text/event-stream': { schema: z.string() } } },
            204: z.undefined().describe('The job has ended, and you have its whole log'),
            ...failures('INVALID_QUERY', 'JOB_NOT_FOUND'),
          },
        },
      },
      async (request, reply) => {
        const job = await engine.job(jobId(request.params), clientOf(request).id)
        const from = request.query.since ?? since.safeParse(request.headers['last-event-id']).data ?? 0
        // To an EventSource, 204 means: don't connect again. Ending an empty stream would have it ask for ever.
        if (isTerminal(job.status) && from >= job.seq) return reply.code(204).send()
        const signal = parking.enter(reply)
        const frames = follow({ engine, jobId: job.id, from, signal, quietMs: settings.streamHeartbeatMs, instant })
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
  engine: Pick<Engine, 'events' | 'watch'>
  jobId: string
  from: number
  signal: AbortSignal
  quietMs: number
  instant: WriteInstant
}

const pageSize = 500
const endings: ReadonlySet<string> = new Set(terminalStatuses.map((status) => `job_${status}`))

/**
 * The watch begins before the first read and the bell remembers being rung, so a line that is written between a read and
 * the wait is read by the next turn. A generator, so that a slow reader holds back the reading and not the memory.
 */
async function* follow({ engine, jobId, from, signal, quietMs, instant }: Follow): AsyncGenerator<string> {
  const bell = createBell()
  const unwatch = engine.watch(jobId, bell.ring)
  signal.addEventListener('abort', bell.ring)
  try {
    let last = from
    // Sent at once, so that the reader has its headers before the first event.
    yield 'retry: 2000\n\n'
    while (!signal.aborted) {
      const events = await engine.events(jobId, last, pageSize)
      for (const event of events) {
        yield frame(event, instant)
        last = event.seq
        if (endings.has(event.type)) return
      }
      if (events.length === pageSize) continue
      if (!(await bell.wait(quietMs))) yield ': still here\n\n'
    }
  } finally {
    unwatch()
    signal.removeEventListener('abort', bell.ring)
  }
}

const frame = (event: JobEvent, instant: WriteInstant): string =>
  `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event, instant))}\n\n`
