/** A demo that was killed leaves its database server running: it is stopped before its directory is emptied. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'

export const stopLeftBehind = async (dataDir: string): Promise<void> => {
  const cluster = join(dataDir, 'postgres')
  if (!(await stat(cluster).catch(() => undefined))) return
  const { startBuiltInPostgres } = await import('@tutti/stores/built-in-postgres')
  // Taking it over, or starting it once more, is the one way to stop it that is the same in every case.
  const postgres = await startBuiltInPostgres({ dataDir: cluster })
  await postgres.stop()
}
