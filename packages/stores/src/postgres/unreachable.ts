/** Tells a database that is away from a fault of ours: the one passes, and callers should try again. */
import { TuttiError } from '@tutti/contracts'

/**
 * Classes 08 and 57 of PostgreSQL's error codes (57014: the statement time-out), a transaction that stood still for too long, too many
 * connections, no such database, what Node says of a connection, and what pg says of one that is lost or silent.
 */
const isUnreachable = (error: unknown): boolean => {
  const { code, syscall, message } = error as { code?: unknown; syscall?: unknown; message?: unknown }
  if (syscall === 'connect') return true
  if (typeof code === 'string')
    return /^(08...|25P03|57P0[123]|57014|53300|3D000|ECONNRE(SET|FUSED)|EPIPE|ETIMEDOUT|E(HOST|NET)UNREACH|ENOTFOUND|EAI_AGAIN)$/.test(
      code,
    )
  return (
    typeof message === 'string' &&
    /Connection terminated|not queryable|timeout exceeded when trying to connect|Query read timeout/.test(message)
  )
}

/** Whether a store is away, and may come back: of any error that its start or use has thrown, or of what caused it. */
export const isStoreAway = (error: unknown): boolean =>
  error instanceof TuttiError
    ? error.code === 'STORE_UNAVAILABLE'
    : error instanceof Error && (isUnreachable(error) || isStoreAway(error.cause))

/**
 * The operation, failing with STORE_UNAVAILABLE when the database can't be reached.
 * @throws TuttiError STORE_UNAVAILABLE, or what the operation threw
 */
export const reaching =
  <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
  async (...args: A): Promise<R> => {
    try {
      return await operation(...args)
    } catch (error) {
      throw isUnreachable(error)
        ? new TuttiError('STORE_UNAVAILABLE', 'The store can’t be reached', { cause: error })
        : error
    }
  }
