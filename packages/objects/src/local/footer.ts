/**
 * Content type and hash stand behind the content, in the same file: two files can't be renamed in one step, and a crash
 * between them would leave a new content with an old type. The footer's length is fixed, so the size of an object is
 * known from the size of its file; and the content starts at the first byte, so other programs can read it.
 */
import type { FileHandle } from 'node:fs/promises'
import { ObjectStoreError } from '../errors.ts'

export interface Footer {
  contentType: string
  /** Of the content, hex. */
  sha256: string
}

export const footerLength = 512
const mark = '\ntutti-object-1\n'
const shape = /^\ntutti-object-1\n([0-9a-f]{64})\n([\x20-\x7e]{1,255})\n *$/

export function writeFooter({ contentType, sha256 }: Footer): Uint8Array {
  return Buffer.from(`${mark}${sha256}\n${contentType}\n`.padEnd(footerLength), 'latin1')
}

/** Reads the footer of an open file of `fileSize` bytes. Throws `CORRUPT` when it is not whole. */
export async function readFooter(handle: FileHandle, fileSize: number): Promise<Footer> {
  const bytes = Buffer.alloc(footerLength)
  const position = fileSize - footerLength
  const { bytesRead } = position < 0 ? { bytesRead: 0 } : await handle.read(bytes, 0, footerLength, position)
  const [, sha256, contentType] = shape.exec(bytes.toString('latin1', 0, bytesRead)) ?? []
  if (sha256 === undefined || contentType === undefined) {
    throw new ObjectStoreError('CORRUPT', 'The stored file is not a whole object')
  }
  return { sha256, contentType }
}
