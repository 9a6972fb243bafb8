/** Progress and other events of tasks, over HTTP. The WebSocket takes the same frames. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { newsOf, taskNews, tidyFrame } from './event-frame.ts'
import type { WorkerRouteDeps } from './index.ts'
import { signed } from './signed.ts'
import { changeBody } from './without-nulls.ts'

export const eventRoutes = (deps: WorkerRouteDeps): FastifyPluginAsyncZod => {
  const { identify, rates, signatures } = deps
  return async (app) => {
    app.post(
      '/events',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Tell something of a task: its progress, or an event',
          body: taskNews,
          response: {
            200: z.object({ status: z.literal('event_accepted') }),
            ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH', 'TOO_MANY_REQUESTS'),
          },
        },
        preValidation: [
          requireWorkerInBody(identify, 403),
          rates.limit('event'),
          signed(signatures, 'refuse'),
          changeBody(tidyFrame),
        ],
      },
      async (request) => {
        await takeNews(deps, namedWorkerOf(request), request.body)
        return { status: 'event_accepted' as const }
      },
    )
  }
}

/**
 * What is not, or no longer, the worker's to tell counts for nothing: it could do nothing about that.
 * @throws TuttiError INVALID_BODY for an event that breaks the worker's own word
 */
export const takeNews = async (
  { engine, log, checkEvent }: WorkerRouteDeps,
  worker: string,
  frame: z.output<typeof taskNews>,
): Promise<void> => {
  const news = newsOf(frame)
  if (news.kind === 'progress') {
    const { jobId, taskId, progress, message } = news
    await engine.progress({ worker, jobId, taskId, progress, message })
  } else if (news.kind === 'event') {
    const { id, jobId, taskId, type, payload } = news
    await checkEvent(worker, news)
    await engine.workerEvent({ ...(id === undefined ? {} : { id }), worker, jobId, taskId, name: type, data: payload })
  } else log.debug({ worker, type: news.type }, 'an event of no task')
}
