/** One write: to a file of its own, synced, then renamed into place. Whatever fails, nothing of it stays behind. */
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { chunksOf } from '../body.ts'
import { ObjectStoreError, systemCode } from '../errors.ts'
import type { ObjectBody } from '../port.ts'
import { checkHash } from '../verified.ts'
import { type Folders, isAbsent, makeFolder } from './folders.ts'
import { writeFooter } from './footer.ts'

/** Writes all the bytes at the end of the file. Replaced in tests, to fail like a full disk. */
export type WriteBytes = (handle: FileHandle, bytes: Uint8Array) => Promise<void>

export interface WriteRequest {
  folders: Folders
  /** Where the object goes, absolute. */
  path: string
  body: ObjectBody
  contentType: string
  /** The hash that the body must have. */
  sha256: string | undefined
  writeBytes: WriteBytes
}

export async function writeObject(request: WriteRequest): Promise<{ size: number; sha256: string }> {
  const temporary = join(request.folders.temporary, randomUUID())
  const handle = await spaceChecked(() => open(temporary, 'wx', 0o600))
  try {
    const written = await fill(handle, request)
    await spaceChecked(() => handle.sync())
    await handle.close()
    await spaceChecked(() => moveIntoPlace(request.folders, temporary, request.path))
    return written
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
}

export const writeBytes: WriteBytes = async (handle, bytes) => {
  // One call may write less than it was given, for instance just before the disk is full.
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset)
    offset += bytesWritten
  }
}

async function fill(handle: FileHandle, request: WriteRequest): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const bytes of chunksOf(request.body)) {
    hash.update(bytes)
    size += bytes.length
    await spaceChecked(() => request.writeBytes(handle, bytes))
  }
  const sha256 = hash.digest('hex')
  checkHash(request.sha256, sha256)
  const footer = writeFooter({ contentType: request.contentType, sha256 })
  await spaceChecked(() => request.writeBytes(handle, footer))
  return { size, sha256 }
}

const attempts = 20

async function moveIntoPlace({ objects, sync }: Folders, temporary: string, path: string): Promise<void> {
  const folder = dirname(path)
  for (let attempt = 1; ; attempt += 1) {
    try {
      await makeFolder(objects, folder)
      await rename(temporary, path)
      break
    } catch (error) {
      // A delete beside this write may have removed a folder that was empty for a moment.
      if (!isAbsent(error) || attempt === attempts) throw error
    }
  }
  await sync(folder).catch((error: unknown) => {
    // The object is in place; a delete may already have taken it and its folder away again.
    if (!isAbsent(error)) throw error
  })
}

/** Tells a full disk from other failures. Only the store's own calls are checked, never the body's. */
async function spaceChecked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = systemCode(error)
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
    throw new ObjectStoreError('NO_SPACE', 'No space is left where objects are kept; nothing was stored', {
      cause: error,
    })
  }
}
