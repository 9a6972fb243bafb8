/** A snapshot as a zip, made when somebody asks for it, and only once: it streams from object storage into object storage. */
import { createHash } from 'node:crypto'
import { sessionPrefix, TuttiError } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import { packZip } from '../pack-zip.ts'
import { type FilesOf, manifestOf } from '../read/files.ts'
import { isLost } from './objects.ts'

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

  // When a content can’t be read the store keeps nothing of the archive.
  const zip = packZip(
    files.map(({ path, key: content, mode, last_modified }) => ({
      ...{ path: `workspace/${path}`, mode, mtime: new Date(last_modified) },
      open: async () => (await objects.get(content)).stream,
    })),
  )
  await objects.put(key, zip, { contentType: 'application/zip' }).catch((error: unknown) => {
    throw isLost(error) ? new TuttiError('SNAPSHOT_NOT_FOUND', 'A file of the snapshot can’t be read') : error
  })
  return { key, filename }
}
