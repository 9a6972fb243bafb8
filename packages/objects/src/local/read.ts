import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { ObjectStoreError, systemCode } from '../errors.ts'
import type { ByteRange, ObjectInfo } from '../port.ts'
import { verified } from '../verified.ts'
import { folderExists, isAbsent, leadsElsewhere } from './folders.ts'
import { footerLength, readFooter } from './footer.ts'

export interface OpenObject {
  handle: FileHandle
  info: ObjectInfo
}

/**
 * Opens the object at the path; `null` when there is none. The handle goes on reading what it opened, whole, even while
 * the object is replaced or deleted. The caller closes it.
 */
export async function openObject(key: string, path: string): Promise<OpenObject | null> {
  if (!(await folderExists(dirname(path)))) return null
  const handle = await openFile(path)
  if (handle === null) return null
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new ObjectStoreError('CORRUPT', 'The stored file is not a file')
    const { contentType, sha256 } = await readFooter(handle, stat.size)
    const size = stat.size - footerLength
    return { handle, info: { key, size, contentType, etag: sha256, sha256, modifiedAt: stat.mtime } }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openFile(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (isAbsent(error)) return null
    if (systemCode(error) === 'ELOOP') throw leadsElsewhere()
    throw error
  }
}

/** Streams the range, or everything and holds it against its hash; closes the handle at its end. */
export async function streamObject({ handle, info }: OpenObject, range: Required<ByteRange> | null): Promise<Readable> {
  if (range !== null) return handle.createReadStream(range)
  if (info.size > 0) return verified(handle.createReadStream({ start: 0, end: info.size - 1 }), info.etag)
  await handle.close()
  return Readable.from([])
}
