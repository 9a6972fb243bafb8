import type { HistoryArchive } from './port.ts'
import { openPostgresArchive } from './postgres.ts'
import { openSqliteArchive } from './sqlite.ts'

/**
 * The archive that HISTORY_DATABASE_URI names: `sqlite:///var/lib/tutti/history.db` (the path begins with the third slash),
 * `postgresql://…`.
 * @throws RangeError for another scheme
 */
export const openArchive = async (uri: string, onError: (error: unknown) => void): Promise<HistoryArchive> => {
  if (/^postgres(ql)?:\/\//.test(uri)) return openPostgresArchive({ connectionString: uri, onError })
  const [, path] = /^sqlite:\/\/(\/.+)$/.exec(uri) ?? []
  if (path === undefined) throw new RangeError('HISTORY_DATABASE_URI begins with sqlite:/// or postgresql://')
  return openSqliteArchive(decodeURIComponent(path))
}
