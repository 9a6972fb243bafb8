import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A caller's own id makes one trail through several services; but it is written into logs, so only a harmless one is taken. */
export const requestId = ({ headers }: Pick<IncomingMessage, 'headers'>): string =>
  harmless(headers['x-request-id']) ?? randomUUID()

/** Of all requests that one doing causes, where the caller names one; else the request is alone in it. */
export const traceId = ({ id, headers }: Pick<IncomingMessage, 'headers'> & { id: string }): string =>
  harmless(headers['x-trace-id']) ?? id

const harmless = (offered: string | string[] | undefined): string | undefined =>
  typeof offered === 'string' && /^[A-Za-z0-9_.:-]{1,128}$/.test(offered) ? offered : undefined
