/**
 * The SQL that a pool of PostgreSQL connections runs, as log lines: what, how long, how many rows. Never the parameters: they
 * are what people wrote, and secrets.
 */
import type { Logger } from './logger.ts'

/** What of a `pg.Pool` is needed; this package knows no database. */
export interface WatchedPool {
  on(event: 'connect', listener: (client: { query: unknown }) => void): unknown
}

type Call = (...args: unknown[]) => unknown
type Outcome = { rowCount?: number | null } | undefined

const longest = 2_000

/** From now on every statement of every connection is a line of level INFO. */
export function logStatements(pool: WatchedPool, log: Logger): void {
  pool.on('connect', (client) => {
    const query = (client.query as Call).bind(client)
    client.query = (...args: unknown[]): unknown => {
      const tell = teller(textOf(args[0]), log)
      const last = args.at(-1)
      if (typeof last === 'function') {
        const callback = (error: unknown, result: Outcome): void => {
          tell(error, result)
          last(error, result)
        }
        return query(...args.slice(0, -1), callback)
      }
      const answer = query(...args)
      if (answer instanceof Promise)
        answer.then(
          (result: Outcome) => tell(null, result),
          (error: unknown) => tell(error, undefined),
        )
      return answer
    }
  })
}

function teller(sql: string, log: Logger): (error: unknown, result: Outcome) => void {
  const started = performance.now()
  return (error, result) => {
    const ms = Math.round((performance.now() - started) * 10) / 10
    // Not its message: PostgreSQL quotes values there.
    const code = error ? ((error as { code?: unknown }).code ?? 'unknown') : undefined
    log.info({ sql, ms, ...(code === undefined ? { rows: result?.rowCount ?? null } : { code }) }, 'sql')
  }
}

function textOf(asked: unknown): string {
  const text = typeof asked === 'string' ? asked : (asked as { text?: unknown } | undefined)?.text
  return typeof text === 'string' ? text.replace(/\s+/g, ' ').trim().slice(0, longest) : '(no text)'
}
