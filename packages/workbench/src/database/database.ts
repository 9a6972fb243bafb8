/** The connection to PostgreSQL: typed queries, transactions, and how PostgreSQL's types arrive in JavaScript. */
import { reaching } from '@tutti/stores'
import pg from 'pg'

/** What runs a statement: the pool, or the one connection of a transaction. Fails with STORE_UNAVAILABLE while the database is away. */
export interface Queryable {
  /**
   * @param name of a statement that comes often and whose text never changes: each connection has it planned once, for a tenth of the
   * database's time. Not where a table may grow a thousandfold meanwhile: the plan stays as it was until the table is analysed.
   */
  query<Row>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>
}

export interface Database extends Queryable {
  /** Runs `work` in one transaction; rolls back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
  /** A connection of its own, outside the pool; the caller ends it. */
  connect(): Promise<pg.Client>
  close(): Promise<void>
}

const int8 = 20
/** bigint as a number: ids and sequence numbers stay far below 2^53, and a string would turn `seq + 1` into text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === int8 ? Number : (pg.types.getTypeParser(oid, format as 'text') as (value: string) => unknown),
}

const queryable = (client: pg.Pool | pg.PoolClient): Queryable => ({
  query: async <Row>(text: string, values: readonly unknown[] = [], name?: string) => {
    const result = await client.query({ text, values: [...values], ...(name === undefined ? {} : { name }) })
    return result.rows as Row[]
  },
})

export interface DatabaseOptions {
  connectionString: string
  /** Connections of the pool. */
  connections?: number
  /** A lost idle connection is replaced by itself; this only lets it be logged. */
  onError?: (error: Error) => void
  /** Shown the pool before it is used: for a log of statements. */
  watch?: (pool: pg.Pool) => void
  /** How long a statement may take before the server gives it up; 0: as long as it wants, for migrations. */
  statementMs?: number
  /** How long a transaction may stand still between two statements before the server ends it. */
  idleMs?: number
}

/** Each takes milliseconds: this is for a lock that nobody gives back. */
const longestStatementMs = 60_000
/**
 * A process that was stopped, or whose host died without a word, holds the lock of a session until the server ends its transaction;
 * TCP would take hours. A live one comes back within milliseconds.
 */
const longestIdleMs = 5_000
/** Later than the server's own limit: an answer that says why is better. */
const silenceMs = 5_000

export const createDatabase = (options: DatabaseOptions): Database => {
  const { connectionString, connections = 10, onError, watch } = options
  const { statementMs = longestStatementMs, idleMs = longestIdleMs } = options
  const pool = new pg.Pool({
    ...{ connectionString, max: connections, types, application_name: 'tutti-workbench', keepAlive: true },
    keepAliveInitialDelayMillis: silenceMs,
    idle_in_transaction_session_timeout: idleMs,
    // A pool whose connections are all in use answers in the end as well.
    connectionTimeoutMillis: longestStatementMs,
    ...(statementMs === 0 ? {} : { statement_timeout: statementMs, query_timeout: statementMs + silenceMs }),
  })
  watch?.(pool)
  // Without a listener an idle connection that is lost would end the process.
  pool.on('error', (error) => onError?.(error))
  const { query } = queryable(pool)
  return {
    query: <Row>(text: string, values?: readonly unknown[]) => reaching(() => query<Row>(text, values))(),
    transaction: reaching(async <T>(work: (tx: Queryable) => Promise<T>): Promise<T> => {
      const client = await pool.connect()
      let broken: Error | undefined
      // The pool listens only to connections that nobody uses: without this a database that goes away takes the process with it.
      const onLost = (error: Error): void => {
        broken = error
        onError?.(error)
      }
      client.on('error', onLost)
      try {
        await client.query('begin')
        const result = await work(queryable(client))
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch((rollbackError: Error) => {
          broken = rollbackError
        })
        throw error
      } finally {
        // One that is lost may say so again.
        if (broken === undefined) client.off('error', onLost)
        // A connection that is lost, or whose rollback failed, may still be inside the transaction: it must not go back to the pool.
        client.release(broken)
      }
    }),
    connect: reaching(async () => {
      const client = new pg.Client({ connectionString, keepAlive: true, application_name: 'tutti-workbench-listen' })
      client.on('error', () => {})
      await client.connect()
      return client
    }),
    close: () => pool.end(),
  }
}

/** Whether the statement failed because a row of the named unique index is there already. */
export const violates = (error: unknown, index: string): boolean =>
  error instanceof pg.DatabaseError && error.code === '23505' && error.constraint === index
