/** Looking at an approval link changes nothing: mail readers open links before people do. Only the form decides. */
import { approve, TuttiError } from '@tutti/contracts'
import type { Engine, Job } from '@tutti/engine'
import { type DecisionPage, decisionPage, pageHeaders } from '@tutti/links'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import type { ApprovalLink, ApprovalLinks } from './link.ts'

const params = z.object({ token: z.string().max(2000) })

export const approvalLinkRoutes = ({
  engine,
  approvalLinks,
  store,
}: Pick<RouteDeps, 'engine' | 'store'> & { approvalLinks: ApprovalLinks }): FastifyPluginAsyncZod => {
  const show = (reply: FastifyReply, status: number, page: DecisionPage) =>
    reply.code(status).type('text/html; charset=utf-8').headers(pageHeaders).send(decisionPage(page))
  const gone = (reply: FastifyReply) =>
    show(reply, 404, {
      title: 'This link does not work',
      message: 'It has expired, or it is not complete.',
      decisions: [],
      facts: [],
    })
  const over = (reply: FastifyReply) =>
    show(reply, 409, {
      title: 'Nothing to decide',
      message: 'This has been decided, or it is not asked any more.',
      decisions: [],
      facts: [],
    })

  return async (app) => {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: unknown, body: string | Buffer) => Object.fromEntries(new URLSearchParams(String(body))),
    )

    app.get('/approvals/:token', { schema: { hide: true, params } }, async (request, reply) => {
      const link = approvalLinks.read(request.params.token, store.now())
      if (!link) return gone(reply)
      const job = await asking(engine, link)
      if (job?.waiting?.kind !== 'approval') return over(reply)
      const { message, on } = job.waiting
      return show(reply, 200, {
        title: 'Your decision is asked for',
        message,
        decisions: Object.keys(on).filter((decision) => decision !== 'timeout'),
        facts: [
          ['Job', job.id],
          ['Blueprint', job.blueprint],
          ['For', link.to],
        ],
      })
    })

    app.post('/approvals/:token', { schema: { hide: true, params, body: approve } }, async (request, reply) => {
      const link = approvalLinks.read(request.params.token, store.now())
      if (!link) return gone(reply)
      if (!(await asking(engine, link))) return over(reply)
      const { decision, comment } = request.body
      try {
        await engine.approve(link.jobId, null, {
          decision,
          by: `link: ${link.to}`,
          comment: comment?.trim() ? comment : null,
        })
      } catch (error) {
        // Somebody else was quicker.
        if (error instanceof TuttiError && (error.code === 'JOB_NOT_WAITING' || error.code === 'JOB_TERMINAL'))
          return over(reply)
        throw error
      }
      return show(reply, 200, {
        title: 'Thank you',
        message: `Your decision was recorded: ${decision}`,
        decisions: [],
        facts: [['Job', link.jobId]],
      })
    })
  }
}

/** Lines with which a question is over. */
const endings = new Set(['approval_received', 'approval_timed_out', 'state_entered'])

/** The job, if it still asks what it asked when the link was written. */
const asking = async (engine: Pick<Engine, 'job' | 'events'>, link: ApprovalLink): Promise<Job | null> => {
  const job = await engine.job(link.jobId, null).catch((error: unknown) => {
    if (error instanceof TuttiError && error.code === 'JOB_NOT_FOUND') return null
    throw error
  })
  if (job?.waiting?.kind !== 'approval') return null
  const since = await engine.events(link.jobId, link.seq, 1000)
  return since.some((event) => endings.has(event.type)) ? null : job
}
