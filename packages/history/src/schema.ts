/** The archive's tables, in SQL that both databases read. `at` is milliseconds since the epoch. */
export const tables = (prefix: string): string[] => [
  `CREATE TABLE IF NOT EXISTS ${prefix}events (
     job_id         text NOT NULL,
     seq            integer NOT NULL,
     at             bigint NOT NULL,
     type           text NOT NULL,
     state          text NOT NULL,
     client         text NOT NULL,
     blueprint      text NOT NULL,
     duration_ms    bigint,
     previous_state text,
     next_state     text,
     worker_id      text,
     attempt        integer,
     data           text NOT NULL,
     PRIMARY KEY (job_id, seq))`,
  `CREATE INDEX IF NOT EXISTS events_newest ON ${prefix}events (at, job_id, seq)`,
  `CREATE INDEX IF NOT EXISTS events_of_client ON ${prefix}events (client, at, job_id, seq)`,
  `CREATE INDEX IF NOT EXISTS events_by_type ON ${prefix}events (type, at, job_id, seq)`,
  `CREATE INDEX IF NOT EXISTS events_of_worker ON ${prefix}events (worker_id, at, job_id, seq) WHERE worker_id IS NOT NULL`,
  // One row: how far the Store's feed was read.
  `CREATE TABLE IF NOT EXISTS ${prefix}position (id integer PRIMARY KEY CHECK (id = 1), cursor text NOT NULL, layout integer NOT NULL)`,
]

/** Changes with every change to the tables. */
export const layout = 1

export class ArchiveLayoutError extends Error {
  override readonly name = 'ArchiveLayoutError'
}

/** @throws ArchiveLayoutError when the archive was written by a newer program */
export const checkLayout = (found: number | undefined): void => {
  if (found !== undefined && found > layout)
    throw new ArchiveLayoutError(
      `the history archive has layout ${found}, this program knows ${layout}: run the newer program, or use another database`,
    )
}
