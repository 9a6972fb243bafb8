import type { Logger } from '@tutti/telemetry'
import type { FastifyBaseLogger } from 'fastify'

/** Tutti's logger in the form that the server writes through. */
export const serverLog = (log: Logger): FastifyBaseLogger => lazily(() => log)

/**
 * The server makes a child for each request, and hardly any request writes a line: the child is made when it does.
 * What the server calls trace is nothing that anybody wants to read.
 */
const lazily = (make: () => Logger): FastifyBaseLogger => {
  let made: Logger | undefined
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (first: unknown, message?: unknown): void => {
      made ??= make()
      if (typeof first === 'string') made[level](first)
      else if (first instanceof Error) made[level]({ err: first }, String(message ?? first.message))
      else made[level]({ ...(first as object) }, String(message ?? ''))
    }
  return {
    level: 'info',
    trace: () => {},
    silent: () => {},
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('error'),
    child: (bindings) => lazily(() => make().child(bindings)),
  }
}
