/** A demo begins with nothing: what an earlier one left is stopped and removed, and nothing else ever is. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lockDataDir, lockFile } from '../stack/data-dir.ts'
import { DemoError } from './fault.ts'

/**
 * Says that a demo made the directory and the next one may empty it. Only this file says so: a directory of `tutti up`
 * looks the same otherwise, and holds somebody's jobs.
 */
export const demoMark = '.tutti-demo'

/** @throws DemoError when the directory is not a demo's; DataDirError when a stack uses it */
export const startAfresh = async (dataDir: string): Promise<void> => {
  const entries = await readdir(dataDir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw error.code === 'ENOTDIR' ? new DemoError(`${dataDir} is no folder: name another with --data-dir`) : error
  })
  if (entries.length > 0 && !entries.includes(demoMark))
    throw new DemoError(
      `${dataDir} holds something else than a demo's state: name another folder with --data-dir, or empty it yourself`,
    )
  await mkdir(dataDir, { recursive: true })
  // First of all, so that a demo which is killed in the next moment is still known as one.
  await writeFile(join(dataDir, demoMark), 'A demo of Tutti made this directory; the next one empties it.\n')
  const release = await lockDataDir(dataDir)
  try {
    await stopLeftBehind(dataDir)
    for (const entry of await readdir(dataDir))
      if (entry !== demoMark && entry !== lockFile) await rm(join(dataDir, entry), { recursive: true, force: true })
  } finally {
    await release()
  }
}

/**
 * A demo that was killed leaves its database servers running. Taking them over, or starting them once more, is the one way to stop them
 * that is the same in every case.
 */
const stopLeftBehind = async (dataDir: string): Promise<void> => {
  const cluster = join(dataDir, 'postgres')
  if (await isThere(cluster)) {
    const { startBuiltInPostgres } = await import('@tutti/stores/built-in-postgres')
    await (await startBuiltInPostgres({ dataDir: cluster })).stop()
  }
  const redis = join(dataDir, 'redis')
  if (await isThere(redis)) {
    const { startBuiltInRedis } = await import('@tutti/stores/built-in-redis')
    await (await startBuiltInRedis({ dataDir: redis })).stop()
  }
}

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined
