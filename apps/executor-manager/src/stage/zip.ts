/** Zip archives of skills and plugins: read with every name checked and every size bounded, before one file is placed. */
import type { Readable } from 'node:stream'
import { type Entry, openPromise, type ZipFile } from 'yauzl'
import { messageOf, RunFault } from '../fault.ts'
import type { ContentCache } from '../files/content-cache.ts'

export interface ZipLimits {
  maxFiles: number
  /** Unpacked, all files together. */
  maxBytes: number
  signal: AbortSignal
}

export interface ZippedFile {
  path: string
  sha256: string
  executable: boolean
}

/** The archive’s files, each put into the cache. `where` names it in faults. */
export const unpackZip = async (
  path: string,
  where: string,
  cache: ContentCache,
  limits: ZipLimits,
): Promise<ZippedFile[]> => {
  const zip = await openZip(path, where)
  const files: ZippedFile[] = []
  try {
    let bytes = 0
    for await (const entry of zip.eachEntry()) {
      limits.signal.throwIfAborted()
      if (entry.fileName.endsWith('/')) continue
      // The reader ends a file that holds more than it declares: so the sum of what is declared bounds what is unpacked.
      bytes += entry.uncompressedSize
      if (files.length >= limits.maxFiles || bytes > limits.maxBytes) throw tooLarge(where, limits)
      checkEntry(entry, where)
      const { sha256 } = await cache.add(await zip.openReadStreamPromise(entry))
      files.push({ path: entry.fileName, sha256, executable: ((entry.externalFileAttributes >>> 16) & 0o111) !== 0 })
    }
  } catch (error) {
    limits.signal.throwIfAborted()
    throw error instanceof RunFault ? error : damaged(where, error)
  } finally {
    zip.close()
  }
  return files
}

/** One file of an archive that was unpacked before. */
export const readZipped = async (path: string, where: string, name: string): Promise<Readable> => {
  const zip = await openZip(path, where)
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue
      const content = await zip.openReadStreamPromise(entry)
      content.once('close', () => zip.close())
      return content
    }
    throw damaged(where, new Error(`${name} is missing`))
  } catch (error) {
    zip.close()
    throw error
  }
}

/** Names that lead out, are absolute or have a backslash are refused by the reader. */
const openZip = (path: string, where: string): Promise<ZipFile> =>
  openPromise(path, { autoClose: false, strictFileNames: true }).catch((error: unknown) => {
    throw damaged(where, error)
  })

const checkEntry = (entry: Entry, where: string): void => {
  const type = (entry.externalFileAttributes >>> 16) & 0o170000
  if (type !== 0 && type !== 0o100000)
    throw new RunFault(
      'ARCHIVE_REFUSED',
      `The archive ${where} holds ${JSON.stringify(entry.fileName)}, which is no file`,
    )
  if (!entry.canDecodeFileData())
    throw new RunFault('ARCHIVE_REFUSED', `The archive ${where} is encrypted or packed in a way that can’t be read`)
}

const tooLarge = (where: string, { maxFiles, maxBytes }: ZipLimits): RunFault =>
  new RunFault(
    'ARCHIVE_REFUSED',
    `The archive ${where} holds more than ${maxFiles} files or ${Math.floor(maxBytes / 1024 ** 2)} MB`,
  )

const damaged = (where: string, cause: unknown): RunFault =>
  new RunFault('ARCHIVE_REFUSED', `The archive ${where} can’t be read: ${messageOf(cause)}`, { cause })
