/** POST /api/v1/attachments/upload: a file of the user's, to be sent with a message or kept in a project. */
import type { Readable } from 'node:stream'
import { type InputFile, TuttiError } from '@tutti/contracts'
import { ObjectStoreError } from '@tutti/objects'
import { uploadsOf } from '../claim/plan.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { fileNameOf } from './file-name.ts'

export interface SentFile {
  /** As the sender calls it. */
  name: string
  contentType: string
  /** Read as it comes; should it fail, nothing of it is kept. */
  body: Readable
}

type Deps = Pick<WorkbenchDeps, 'database' | 'objects' | 'newId'>

/**
 * The row is written first: a process that dies in between leaves a row without a size, by which the sweeper finds what it
 * has left. @throws TuttiError FILES_NOT_ENABLED, PAYLOAD_TOO_LARGE for a full disk; whatever the body fails with
 */
export const storeUpload = async (
  deps: Deps,
  userId: string,
  { name, contentType, body }: SentFile,
): Promise<InputFile> => {
  const { database, objects } = deps
  if (objects === null) throw new TuttiError('FILES_NOT_ENABLED', 'This backend was started without object storage')
  const id = deps.newId()
  const file = fileNameOf(name)
  const type = /^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(contentType) ? contentType : 'application/octet-stream'
  const key = `${uploadsOf(userId)}${id}/${file}`
  await database.query('insert into workbench.uploads (key, user_id, name, content_type) values ($1, $2, $3, $4)', [
    key,
    userId,
    file,
    type,
  ])
  try {
    const { size, sha256 } = await objects.put(key, body, { contentType: type })
    await database.query('update workbench.uploads set size = $2, sha256 = $3 where key = $1', [key, size, sha256])
    return { id, type: 'file', name: file, source: key, size, content_type: type, path: null }
  } catch (error) {
    await dropUpload(deps, key)
    if (error instanceof ObjectStoreError && error.code === 'NO_SPACE')
      throw new TuttiError('PAYLOAD_TOO_LARGE', error.message, { cause: error })
    throw error
  }
}

/** Forgets an upload that nobody was told of, or whose sender has given it up. */
export const dropUpload = async (
  { database, objects }: Pick<Deps, 'database' | 'objects'>,
  key: string,
): Promise<void> => {
  await objects?.delete(key)
  await database.query('delete from workbench.uploads where key = $1', [key])
}
