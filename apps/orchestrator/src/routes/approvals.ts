/** Decisions that jobs wait for. */
import { approvalReceived, approve } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { jobId, jobParams } from './job-id.ts'

/**
 * The same route at two addresses: `/jobs/:id/approve`, and `/webhooks/approval/:id` for callers of the older API. The
 * older one was open to everybody who knew an id; here it wants the token of the job's client as well.
 */
export const approvalRoutes = (
  { engine }: RouteDeps,
  url: string,
  operationId = 'approveJob',
): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      url,
      {
        schema: {
          tags: ['jobs'],
          operationId,
          summary: 'Decide what a job waits for',
          description: 'The decisions that it takes are in the job’s `waiting_for`.',
          params: jobParams,
          body: approve,
          response: {
            200: approvalReceived,
            ...failures('INVALID_BODY', 'JOB_NOT_FOUND', 'JOB_NOT_WAITING'),
          },
        },
      },
      async (request) => {
        const { id: client } = clientOf(request)
        const { decision, comment = null } = request.body
        const job = await engine.approve(jobId(request.params), client, { decision, by: client, comment })
        return { status: 'approval_received' as const, job_id: job.id }
      },
    )
  }
}
