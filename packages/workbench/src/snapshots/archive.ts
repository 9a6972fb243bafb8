/** A snapshot as a zip, made when somebody asks for it, and only once: it streams from object storage into object storage. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { sessionPrefix, TuttiError } from '@tutti/contracts'
import { ZipFile } from 'yazl'
import type { WorkbenchDeps } from '../deps.ts'
import { type FilesOf, manifestOf } from '../read/files.ts'

export interface Archive {
  key: string
  filename: string
}

/**
 * @param folder below the workspace; null for all of it
 * @returns null: there is nothing in the workspace, or no snapshot of it yet
 * @throws TuttiError as `manifestOf`, and FILE_NOT_FOUND for a folder with nothing in it
 */
export const archiveOf = async (
  { database, snapshots, objects }: Pick<WorkbenchDeps, 'database' | 'snapshots' | 'objects'>,
  userId: string,
  of: FilesOf,
  folder: string | null,
): Promise<Archive | null> => {
  const manifest = await manifestOf({ database, snapshots }, userId, of)
  if (folder === null && (manifest?.files.length ?? 0) === 0) return null
  if (objects === null) throw new TuttiError('FILES_NOT_ENABLED', 'This backend was started without object storage')
  const within = folder === null ? '' : `${folder.replace(/^\/+|\/+$/g, '')}/`
  const files = manifest?.files.filter(({ path }) => path.startsWith(within)) ?? []
  if (manifest === null || files.length === 0) throw new TuttiError('FILE_NOT_FOUND', 'There are no files to pack')
  // By what goes in: a snapshot that left the folder as it was has the same archive.
  const hash = createHash('sha256')
  for (const { path, sha256, mode } of files) hash.update(`${path}\0${sha256}\0${mode}\0`)
  const archives = `${sessionPrefix(userId, manifest.session_id)}/folder-archives`
  const key = `${archives}/${hash.digest('hex').slice(0, 32)}.zip`
  const filename = `${within.split('/').at(-2) ?? 'workspace'}.zip`
  if ((await objects.head(key)) !== null) return { key, filename }

  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  // Told when a content can’t be opened; the store then keeps nothing of the archive.
  zip.on('error', (error) => output.destroy(error instanceof Error ? error : new Error(String(error))))
  for (const { path, key: content, mode, last_modified } of files) {
    zip.addReadStreamLazy(`workspace/${path}`, { mode: 0o100000 | mode, mtime: new Date(last_modified) }, (opened) => {
      objects.get(content).then(
        ({ stream }) => opened(null, stream),
        (error: unknown) => opened(error, Readable.from([])),
      )
    })
  }
  zip.end()
  await objects.put(key, output, { contentType: 'application/zip' })
  return { key, filename }
}
