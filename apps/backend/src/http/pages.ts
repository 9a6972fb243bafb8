/** Bare lists say in their headers whether they are the whole of it: nothing is cut off in silence. */
import type { FastifyReply, FastifyRequest } from 'fastify'

/** More than asked for by one, to know whether there is more. */
export const oneMore = <P extends { limit: number }>(page: P): P => ({ ...page, limit: page.limit + 1 })

/** Cuts a list that was read with {@link oneMore}, and says in `X-Has-More` and `Link` how to go on. */
export const cut = <T>(
  request: FastifyRequest,
  reply: FastifyReply,
  found: readonly T[],
  limit: number,
  next: (last: T) => Record<string, string | number>,
): T[] => {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  const more = found.length > items.length && last !== undefined
  reply.header('x-has-more', String(more))
  if (more) {
    const url = new URL(request.url, 'http://backend')
    for (const [name, value] of Object.entries(next(last))) url.searchParams.set(name, String(value))
    reply.header('link', `<${url.pathname}${url.search}>; rel="next"`)
  }
  return items
}
