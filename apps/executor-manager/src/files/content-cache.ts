/**
 * Contents that many workspaces hold (skills, attachments, files of snapshots), once per host, under their hash:
 * WORKSPACE_ROOT/cache/sha256/{2}/{hash}. They are copied from here, never linked: what an agent does to its file stays
 * in its workspace. Several processes may share a cache.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errnoOf, RunFault } from '../fault.ts'

export interface ContentCache {
  /**
   * Calls `use` with the path of a file that has the content; `fetch` is asked for it only where the cache has it not.
   * @throws RunFault STAGING_FAILED when what is fetched has another hash
   */
  use<T>(sha256: string, fetch: () => Promise<Readable>, use: (path: string) => Promise<T>): Promise<T>
  /** Puts in a content whose hash is not known before, and answers it. */
  add(content: Readable): Promise<{ sha256: string; size: number }>
}

export interface ContentCacheOptions {
  workspaceRoot: string
  /** Above it, what was used longest ago is dropped. */
  maxBytes: number
}

export const createContentCache = ({ workspaceRoot, maxBytes }: ContentCacheOptions): ContentCache => {
  const root = join(workspaceRoot, 'cache', 'sha256')
  const temporary = join(workspaceRoot, 'temp')
  /** Written or read whole by this process: a crash may have left a file with a right name and a wrong content. */
  const verified = new Set<string>()
  const fetching = new Map<string, Promise<unknown>>()
  let bytes: Promise<number> | undefined

  const pathOf = (sha256: string): string => join(root, sha256.slice(0, 2), sha256)

  const openVerified = async (sha256: string): Promise<FileHandle | undefined> => {
    const handle = await open(pathOf(sha256)).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    })
    if (handle === undefined) return undefined
    try {
      if (verified.has(sha256) || (await hashOf(handle)) === sha256) {
        verified.add(sha256)
        const now = new Date()
        await handle.utimes(now, now)
        return handle
      }
      await unlink(pathOf(sha256))
    } catch (error) {
      await handle.close()
      throw error
    }
    await handle.close()
    return undefined
  }

  const write = async (content: Readable, expected?: string): Promise<{ sha256: string; size: number }> => {
    // It may fail before anybody reads it, and an error without a listener would end the process; reading tells it again.
    content.on('error', () => undefined)
    await mkdir(temporary, { recursive: true, mode: 0o700 })
    const path = join(temporary, `content-${randomBytes(8).toString('hex')}`)
    const hash = createHash('sha256')
    let size = 0
    try {
      const file = await open(path, 'wx', 0o400)
      try {
        const counted = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
          for await (const chunk of source) {
            hash.update(chunk)
            size += chunk.length
            yield chunk
          }
        }
        await pipeline(content, counted, file.createWriteStream())
      } finally {
        await file.close().catch(() => undefined)
      }
      const sha256 = hash.digest('hex')
      if (expected !== undefined && sha256 !== expected)
        throw new RunFault('STAGING_FAILED', 'A stored file has not the content that it should have', {
          retryable: true,
        })
      await mkdir(join(root, sha256.slice(0, 2)), { recursive: true, mode: 0o700 })
      await rename(path, pathOf(sha256))
      verified.add(sha256)
      await makeRoom(size, sha256)
      return { sha256, size }
    } catch (error) {
      content.destroy()
      await rm(path, { force: true })
      throw error
    }
  }

  const makeRoom = async (size: number, newest: string): Promise<void> => {
    bytes = (bytes ?? contents(root).then(sumOf)).then((sum) => sum + size)
    if ((await bytes) <= maxBytes) return
    const found = (await contents(root)).sort((a, b) => a.usedMs - b.usedMs)
    let left = sumOf(found)
    for (const { sha256, size: freed } of found) {
      // A tenth more than needed: a full cache must not be listed anew for every file.
      if (left <= maxBytes * 0.9) break
      if (sha256 === newest) continue
      await rm(pathOf(sha256), { force: true })
      verified.delete(sha256)
      left -= freed
    }
    bytes = Promise.resolve(left)
  }

  const fetchOnce = async (sha256: string, fetch: () => Promise<Readable>): Promise<unknown> => {
    const other = fetching.get(sha256)
    if (other !== undefined) return other
    const one = fetch()
      .then((content) => write(content, sha256))
      .finally(() => fetching.delete(sha256))
    fetching.set(sha256, one)
    return one
  }

  return {
    add: (content) => write(content),
    use: async (sha256, fetch, use) => {
      for (let tries = 1; ; tries += 1) {
        const handle = await openVerified(sha256)
        if (handle === undefined) {
          // Dropped again by somebody who needed the room: a cache that is too small for what is at work.
          if (tries > 5) throw new RunFault('STAGING_FAILED', 'The cache of files is too small', { retryable: true })
          await fetchOnce(sha256, fetch)
          continue
        }
        try {
          // The open file, which stays whole even if it is dropped now.
          return await use(process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : pathOf(sha256))
        } finally {
          await handle.close()
        }
      }
    },
  }
}

const hashOf = async (handle: FileHandle): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) hash.update(chunk)
  return hash.digest('hex')
}

interface Content {
  sha256: string
  size: number
  usedMs: number
}

const contents = async (root: string): Promise<Content[]> => {
  const found: Content[] = []
  for (const folder of await namesIn(root)) {
    for (const sha256 of await namesIn(join(root, folder))) {
      const stats = await stat(join(root, folder, sha256)).catch(() => undefined)
      if (stats !== undefined) found.push({ sha256, size: stats.size, usedMs: stats.mtimeMs })
    }
  }
  return found
}

const namesIn = async (folder: string): Promise<string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw error
  }
}

const sumOf = (found: readonly Content[]): number => found.reduce((sum, { size }) => sum + size, 0)
