import type { ExportedFile } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { readSession } from './sessions.ts'

/** Files of the session's last export, by path; none before the first. @throws TuttiError SESSION_NOT_FOUND */
export const listFiles = async (database: Queryable, userId: string, sessionId: string): Promise<ExportedFile[]> => {
  await readSession(database, userId, sessionId)
  return database.query<ExportedFile>(
    'select path, size, sha256, key from workbench.exported_files where session_id = $1 order by path collate "C"',
    [sessionId],
  )
}
