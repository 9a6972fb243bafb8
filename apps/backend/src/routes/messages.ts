/** Messages of sessions, and the files that came with them. */
import {
  type AttachmentView,
  attachmentView,
  envelope,
  type InputFile,
  type MessageView,
  messageView,
  userFolder,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, limit } from './params.ts'

const tags = ['messages']

const messagesQuery = z.object({
  after_message_id: z.coerce.number().int().min(0).default(0),
  limit: limit.default(1000),
})
const deltaQuery = messagesQuery.extend({ limit: limit.default(200) })
const messageParams = z.object({ id: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) })
const sinceParams = idParams.extend({ after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER) })
const sinceQuery = z.object({ limit: limit.default(1000) })

type Query = z.output<typeof messagesQuery>
type WithFiles = MessageView & { attachments: AttachmentView[] }
const withFilesView = messageView.extend({ attachments: z.array(attachmentView) })
const attachmentsView = z.object({ message_id: z.int(), attachments: z.array(attachmentView) })
const deltaOf = <T>(view: z.ZodType<T>) =>
  z.object({ items: z.array(view), next_after_message_id: z.int(), has_more: z.boolean() })
const unknown = failures('SESSION_NOT_FOUND')

export const messageRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  const ownPrefix = `attachments/${userFolder(userId)}/`

  const shown = async (file: InputFile): Promise<AttachmentView> => ({
    ...file,
    // Only the user's own uploads: whatever else stands there was written by somebody who may not read it.
    url: file.source.startsWith(ownPrefix)
      ? await objects.presignGet(file.source, { expiresSeconds: config.presignSeconds, filename: file.name })
      : null,
  })

  const messages = (id: string, { after_message_id, limit }: Query): Promise<MessageView[]> =>
    workbench.messages(userId, id, { afterId: after_message_id, limit })

  const withFiles = async (id: string, query: Query): Promise<WithFiles[]> => {
    const found = await messages(id, query)
    const files = await workbench.messageFiles(userId, id, { afterId: query.after_message_id, limit: found.length })
    const byMessage = new Map(files.map((each) => [each.message_id, each.files]))
    return Promise.all(
      found.map(async (message) => ({
        ...message,
        attachments: await Promise.all((byMessage.get(message.id) ?? []).map(shown)),
      })),
    )
  }

  const attachments = async (id: string, { after_message_id, limit }: Query) => {
    const found = await workbench.messageFiles(userId, id, { afterId: after_message_id, limit })
    return Promise.all(
      found.map(async ({ message_id, files }) => ({ message_id, attachments: await Promise.all(files.map(shown)) })),
    )
  }

  return async (app) => {
    /** Each list also as a delta, which says in its body how to go on. */
    const list = <T>(
      path: string,
      operationId: string,
      what: string,
      view: z.ZodType<T>,
      read: (id: string, query: Query) => Promise<T[]>,
      idOf: (item: T) => number,
    ): void => {
      app.get(
        path,
        {
          schema: {
            tags,
            operationId,
            summary: `List ${what}`,
            params: idParams,
            querystring: messagesQuery,
            response: { 200: envelope(view.array()), ...unknown },
          },
        },
        async (request, reply) => {
          const { params, query } = request
          const found = await read(params.id, oneMore(query))
          return ok(cut(request, reply, found, query.limit, (last) => ({ after_message_id: idOf(last) })))
        },
      )
      app.get(
        `${path}/delta`,
        {
          schema: {
            tags,
            operationId: `${operationId}Delta`,
            summary: `List ${what}, with how to go on`,
            params: idParams,
            querystring: deltaQuery,
            response: { 200: envelope(deltaOf(view)), ...unknown },
          },
        },
        async ({ params, query }) => {
          const found = await read(params.id, oneMore(query))
          const items = found.slice(0, query.limit)
          const last = items.at(-1)
          return ok({
            items,
            next_after_message_id: last === undefined ? query.after_message_id : idOf(last),
            has_more: found.length > items.length,
          })
        },
      )
    }
    list('/sessions/:id/messages', 'listMessages', 'a session’s messages', messageView, messages, ({ id }) => id)
    list(
      '/sessions/:id/messages-with-files',
      'listMessagesWithFiles',
      'a session’s messages, with their files',
      withFilesView,
      withFiles,
      ({ id }) => id,
    )
    list(
      '/sessions/:id/message-attachments',
      'listAttachments',
      'the files that came with a session’s messages',
      attachmentsView,
      attachments,
      ({ message_id }) => message_id,
    )

    app.get(
      '/messages/:id',
      {
        schema: {
          tags,
          operationId: 'readMessage',
          summary: 'Read a message',
          params: messageParams,
          response: { 200: envelope(messageView), ...failures('MESSAGE_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.message(userId, params.id)),
    )

    app.get(
      '/messages/sessions/:id/since/:after',
      {
        schema: {
          tags,
          operationId: 'listMessagesSince',
          summary: 'List a session’s messages after one of them',
          params: sinceParams,
          querystring: sinceQuery,
          response: { 200: envelope(messageView.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const page = { afterId: params.after, limit: query.limit + 1 }
        const found = await workbench.messages(userId, params.id, page)
        const items = cut(request, reply, found, query.limit, () => ({}))
        const last = items.at(-1)
        if (reply.hasHeader('link') && last)
          reply.header(
            'link',
            `</api/v1/messages/sessions/${params.id}/since/${last.id}?limit=${query.limit}>; rel="next"`,
          )
        return ok(items)
      },
    )
  }
}
