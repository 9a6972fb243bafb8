/** The history archive that the configuration chose, and how long the Store has to wait for it. */
import type { ConfigError, HistoryChoice } from '@tutti/config'
import type { Store } from '@tutti/engine'
import { type HistoryArchive, openPostgresArchive, openSqliteArchive } from '@tutti/history'
import type { Logger } from '@tutti/telemetry'
import { unusable } from './unusable.ts'

/** @throws ConfigError when it can't be opened */
export const openArchive = async (choice: HistoryChoice, log: Logger): Promise<HistoryArchive> => {
  if (choice.kind === 'sqlite')
    try {
      return openSqliteArchive(choice.path)
    } catch (error) {
      throw refused(`the file ${choice.path}`, error)
    }
  return openPostgresArchive({
    connectionString: choice.connectionString,
    onError: (error) => log.warn({ err: error }, 'a connection to the history archive was lost'),
  }).catch((error: unknown) => {
    throw refused('its PostgreSQL', error)
  })
}

const refused = (what: string, error: unknown): ConfigError =>
  unusable(
    'HISTORY_DATABASE_URI',
    `HISTORY_DATABASE_URI can't be used, ${what} refuses`,
    error,
    'Correct it, start the database, or leave it empty to keep no archive.',
  )

/** Lines are written in the order of their commits, and may be a little older than lines before them. */
const disorderMs = 60_000

/** The instant before which jobs may have ended that the Store may forget. An archive that has everything holds back nothing. */
export const archivedBefore = async (store: Pick<Store, 'feedEnd'>, archive: HistoryArchive): Promise<number> => {
  // The end is read first: what is written meanwhile makes the archive seem to be behind, and never ahead.
  const end = await store.feedEnd()
  if (end === null || end === (await archive.position())) return Number.POSITIVE_INFINITY
  return ((await archive.archivedUpTo()) ?? disorderMs) - disorderMs
}

const portion = 10_000

/** Lines from before the instant go. */
export const purgeArchive = async (archive: HistoryArchive, before: number): Promise<void> => {
  while ((await archive.purge(before, portion)) === portion);
}
