/** Workers answer their tasks here. An answer counts once; whatever comes again or late is `ignored`, and that is final. */
import { type ResultAnswer, resultAnswer, resultBatch, resultBatchAnswer, taskResult } from '@tutti/contracts'
import type { LeasedTask, OutcomeAnswer } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { handOver } from '../http/hand-over.ts'
import { taskPayload } from '../views/task-payload.ts'
import { taskOutcome, tidyResult, tidyResults } from './outcome.ts'
import { wanted } from './poll.ts'
import { changeBody } from './without-nulls.ts'

const tags = ['worker protocol']

export const resultRoutes = ({ engine, workers, parking, log }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    const authenticate = requireWorkerInBody(workers, 'forbidden')
    const takeNext = async (id: string, max: number, signal: AbortSignal): Promise<LeasedTask[]> => {
      const worker = max > 0 ? await engine.worker(id) : undefined
      return worker ? engine.take({ worker: id, skills: wanted(worker), max, waitMs: 0, signal }) : []
    }

    app.post(
      '/tasks/result',
      {
        schema: {
          tags,
          summary: 'Answer a task',
          body: taskResult,
          response: { 200: resultAnswer, ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH') },
        },
        preValidation: [authenticate, changeBody(tidyResult)],
      },
      async (request) => {
        const [answer] = await engine.results([taskOutcome(request.body, namedWorkerOf(request))])
        return answerView(answer)
      },
    )

    app.post(
      '/tasks/results',
      {
        schema: {
          tags,
          summary: 'Answer many tasks, and take the next',
          description:
            'Answers in the order of the results. `next` takes up to so many tasks, without waiting for them.',
          body: resultBatch,
          response: { 200: resultBatchAnswer, ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH') },
        },
        preValidation: [authenticate, changeBody(tidyResults)],
      },
      async (request, reply) => {
        const id = namedWorkerOf(request)
        const { results, next } = request.body
        const own = results.filter((result) => isOwn(result, id))
        const answers = (await engine.results(own.map((result) => taskOutcome(result, id)))).values()
        const answered = results.map(
          (result): ResultAnswer =>
            isOwn(result, id) ? answerView(answers.next().value) : { status: 'ignored', reason: 'worker_mismatch' },
        )
        // Results are recorded by now: an answer without tasks is right whatever becomes of the next ones.
        const leases = await takeNext(id, next, parking.enter(reply)).catch((error: unknown) => {
          log.warn({ err: error, worker: id }, 'no next tasks')
          return []
        })
        handOver(engine, reply, leases, (error) => log.warn({ err: error, worker: id }, 'tasks not given back'))
        return reply.send({
          results: answered,
          tasks: leases.map((lease) => taskPayload(lease, engine.settings.taskLeaseMs)),
        })
      },
    )
  }
}

const isOwn = (result: { worker_id?: string | undefined }, worker: string): boolean =>
  result.worker_id === undefined || result.worker_id === worker

const answerView = (answer: OutcomeAnswer | undefined): ResultAnswer =>
  // The engine answers every outcome; were one missing, "stale" has the worker drop it, and the lease brings the task back.
  answer ?? { status: 'ignored', reason: 'stale_task' }
