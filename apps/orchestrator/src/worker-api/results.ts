/** Workers answer their tasks here. An answer counts once; whatever comes again or late is `ignored`, and that is final. */
import {
  olderResultAnswer,
  type ResultAnswer,
  resultAnswer,
  resultBatch,
  resultBatchAnswer,
  type TaskPayload,
  taskResult,
} from '@tutti/contracts'
import type { OutcomeAnswer } from '@tutti/engine'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { handOver } from '../http/hand-over.ts'
import { taskPayload } from '../views/task-payload.ts'
import { withFileFacts } from './file-facts.ts'
import type { WorkerRouteDeps } from './index.ts'
import { taskOutcome, tidyResult, tidyResults } from './outcome.ts'
import { batchAnswerTo, resultAnswerTo } from './result-answer.ts'
import { signed } from './signed.ts'
import { changeBody } from './without-nulls.ts'

type Result = z.output<typeof taskResult>

const tags = ['worker protocol']

/** The engine answers every outcome; were one missing, "stale" has the worker drop it, and the lease brings the task back. */
const neverAnswered: OutcomeAnswer = { status: 'ignored', reason: 'stale_task' }

export const resultRoutes = (deps: WorkerRouteDeps): FastifyPluginAsyncZod => {
  const { engine, identify, signatures, parking, log } = deps
  const record = async (results: Result[], worker: string): Promise<OutcomeAnswer[]> => {
    const known = results.filter(namesAJob)
    const answers = (await engine.results(known.map((result) => taskOutcome(result, worker)))).values()
    const next = (): OutcomeAnswer => answers.next().value ?? neverAnswered
    return results.map((result) => (namesAJob(result) ? next() : { status: 'ignored', reason: 'job_not_found' }))
  }

  const takeNext = async (id: string, max: number, reply: FastifyReply): Promise<TaskPayload[]> => {
    const signal = parking.enter(reply)
    if (max === 0) return []
    const leases = await engine.take({ worker: id, max, waitMs: 0, signal })
    handOver(engine, reply, leases, (error) => log.warn({ err: error, worker: id }, 'tasks not given back'))
    const payloads = leases.map((lease) => taskPayload(lease, engine))
    return withFileFacts(payloads, leases, deps)
  }

  return async (app) => {
    const authenticate = requireWorkerInBody(identify, 403)
    // An answer that comes again is told what became of the first: no need to refuse it.
    const checkSignature = signed(signatures, 'tell')

    app.post(
      '/tasks/result',
      {
        schema: {
          tags,
          summary: 'Answer a task',
          description: 'A nested `result` is answered in the words of the older protocol.',
          body: taskResult,
          response: {
            200: z.union([resultAnswer, olderResultAnswer]),
            ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH', 'JOB_NOT_FOUND'),
          },
        },
        preValidation: [authenticate, checkSignature, changeBody(tidyResult)],
      },
      async (request) => {
        const [answer = neverAnswered] = await record([request.body], namedWorkerOf(request))
        return resultAnswerTo(request.body, answer)
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
        preValidation: [authenticate, checkSignature, changeBody(tidyResults)],
      },
      async (request, reply) => {
        const id = namedWorkerOf(request)
        const { results, next } = request.body
        const isOwn = (result: Result): boolean => result.worker_id === undefined || result.worker_id === id
        const answers = (await record(results.filter(isOwn), id)).values()
        const answered = results.map((result): ResultAnswer => {
          const answer = isOwn(result) ? answers.next().value : undefined
          return answer ? batchAnswerTo(result, answer) : { status: 'ignored', reason: 'worker_mismatch' }
        })
        // Results are recorded by now: an answer without tasks is right whatever becomes of the next ones.
        const tasks = await takeNext(id, next, reply).catch((error: unknown) => {
          log.warn({ err: error, worker: id }, 'no next tasks')
          return []
        })
        return reply.send({ results: answered, tasks })
      },
    )
  }
}

/** Ids of jobs are UUIDs. Anything else names none, and the store would take it for a fault of its caller. */
const namesAJob = ({ job_id }: Result): boolean => uuid.safeParse(job_id).success

const uuid = z.uuid()
