import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const oneDay = 24 * 60 * 60 * 1000

/**
 * Removes unfinished writes of processes that died. Only those that nothing was written to for a day: another process
 * may share the folder, and taking away the file that it is writing would fail its upload.
 */
export async function removeLeftovers(temporary: string, now: number): Promise<void> {
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name)
    const found = await stat(path).catch(() => null)
    if (found !== null && now - found.mtimeMs > oneDay) await rm(path, { force: true })
  }
}
