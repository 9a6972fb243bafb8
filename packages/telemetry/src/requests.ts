/** The access log: a line for each request that was answered, or given up by its asker. */
import type { Logger } from './logger.ts'

/** What of Fastify's request and reply is needed; this package knows no server. */
export interface AnsweredRequest {
  id: string
  method: string
  routeOptions: { url?: string | undefined }
}

export interface GivenReply {
  statusCode: number
  elapsedTime: number
  raw: { writableFinished: boolean }
}

/**
 * For the hook `onResponse`. Of the address only the route's pattern is written: ids could be written too, but presigned
 * addresses and links for approvals carry their secret in the query, and some in the path.
 * @param whoIs the caller, where it is known
 */
export const accessLog =
  <Request extends AnsweredRequest>(log: Logger, whoIs: (request: Request) => string | undefined) =>
  async (request: Request, reply: GivenReply): Promise<void> => {
    const user = whoIs(request)
    log.info(
      {
        ...{ method: request.method, route: request.routeOptions.url ?? '(none)', status: reply.statusCode },
        ...{ ms: Math.round(reply.elapsedTime * 10) / 10, request_id: request.id },
        ...(user === undefined ? {} : { user }),
        ...(reply.raw.writableFinished ? {} : { aborted: true }),
      },
      'request',
    )
  }
