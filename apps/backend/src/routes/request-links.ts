/** Looking at a link changes nothing: mail readers open links before people do. Only the form answers. */
import { answerRequest, TuttiError, type UserInputRequestView } from '@tutti/contracts'
import { type DecisionPage, decisionPage, pageHeaders } from '@tutti/links'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { answerOf, pageOf } from '../links/form.ts'
import { createRequestLinks, requestLinksPath } from '../links/request-link.ts'

const params = z.object({ token: z.string().max(2000) })
const form = z.record(z.string().max(100), z.array(z.string().max(10_000)).max(100))

/** What was told to people who were too late. */
const tooLate = new Set(['REQUEST_ANSWERED', 'REQUEST_EXPIRED', 'REQUEST_NOT_FOUND'])

export const requestLinkRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const links = createRequestLinks(config)
  const show = (reply: FastifyReply, status: number, page: Partial<DecisionPage> & { title: string }) =>
    reply
      .code(status)
      .type('text/html; charset=utf-8')
      .headers(pageHeaders)
      .serializer((text: string) => text)
      .send(decisionPage({ message: '', decisions: [], facts: [], ...page }))
  const gone = (reply: FastifyReply) =>
    show(reply, 404, { title: 'This link does not work', message: 'It has expired, or it is not complete.' })
  const over = (reply: FastifyReply) =>
    show(reply, 409, { title: 'Nothing to decide', message: 'This was answered, or nobody waits for it any more.' })

  /** The request behind a link, if it still waits. */
  const waiting = async (userId: string, id: string): Promise<UserInputRequestView | undefined> => {
    try {
      const request = await workbench.request(userId, id)
      const inTime = request.status === 'pending' && Date.parse(request.expires_at) > Date.now()
      return inTime ? request : undefined
    } catch (error) {
      if (error instanceof TuttiError && error.code === 'REQUEST_NOT_FOUND') return undefined
      throw error
    }
  }

  return async (app) => {
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: unknown, body: string | Buffer) => {
        const sent = new URLSearchParams(String(body))
        return Object.fromEntries([...new Set(sent.keys())].map((name) => [name, sent.getAll(name)]))
      },
    )

    app.get(`${requestLinksPath}/:token`, { schema: { hide: true, params } }, async (request, reply) => {
      const link = links?.read(request.params.token, Date.now())
      if (!link) return gone(reply)
      const [userId, id, to] = link.says
      const asked = await waiting(userId, id)
      return asked ? show(reply, 200, pageOf(asked, to)) : over(reply)
    })

    app.post(`${requestLinksPath}/:token`, { schema: { hide: true, params, body: form } }, async (request, reply) => {
      const link = links?.read(request.params.token, Date.now())
      if (!link) return gone(reply)
      const [userId, id, to] = link.says
      const asked = await waiting(userId, id)
      if (!asked) return over(reply)
      const answer = answerRequest.safeParse(answerOf(asked, request.body) ?? null)
      if (!answer.success) return show(reply, 400, { ...pageOf(asked, to), title: 'Please decide' })
      try {
        await workbench.answerRequest(userId, id, answer.data, `link: ${to}`)
      } catch (error) {
        if (!(error instanceof TuttiError)) throw error
        if (tooLate.has(error.code)) return over(reply)
        // A question was left open.
        if (error.code === 'INVALID_BODY') return show(reply, 400, { ...pageOf(asked, to), title: error.message })
        throw error
      }
      return show(reply, 200, { title: 'Thank you', message: 'Your answer was recorded. The agent goes on with it.' })
    })
  }
}
