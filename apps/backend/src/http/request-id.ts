import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A caller's own id makes one trail through several services; but it is written into logs, so only a harmless one is taken. */
export const requestId = ({ headers }: Pick<IncomingMessage, 'headers'>): string => {
  const offered = headers['x-request-id']
  return typeof offered === 'string' && /^[A-Za-z0-9_.:-]{1,128}$/.test(offered) ? offered : randomUUID()
}
