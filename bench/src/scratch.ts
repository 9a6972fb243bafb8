/** What benchmarks run on: a built-in PostgreSQL of their own, durable as in production, removed afterwards. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'

export const scratchFolder = async <T>(use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-bench-'))
  // The database runs under an account of its own, which must be able to pass.
  await chmod(folder, 0o711)
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** @param use is given the database's address, and its server's process */
export const scratchDatabase = <T>(use: (connectionString: string, pid: number) => Promise<T>): Promise<T> =>
  scratchFolder(async (folder) => {
    const postgres = await startBuiltInPostgres({ dataDir: folder })
    try {
      const [pid] = (await readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')
      return await use(postgres.connectionString, Number(pid))
    } finally {
      await postgres.stop()
    }
  })
