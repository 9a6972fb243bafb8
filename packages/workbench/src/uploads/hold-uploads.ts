import { type InputFile, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

/**
 * Keeps the uploads that a message names, from here on; in the transaction that writes the message, so that an upload is not
 * swept away under it. Whether they are the user's is decided here, by what was uploaded, and not by what a key looks like.
 * @param path of the list in the request
 * @throws TuttiError INVALID_BODY for what is not, or no more, an upload of this user, and for two files with one place
 */
export const holdUploads = async (
  tx: Queryable,
  userId: string,
  files: readonly InputFile[] | null | undefined,
  path: string,
): Promise<void> => {
  const uploads = [...(files ?? []).entries()].filter(([, { type }]) => type === 'file')
  if (uploads.length === 0) return
  const places = new Map<string, number>()
  for (const [at, { name, path: place }] of uploads) {
    const lies = place ?? `inputs/${name}`
    const first = places.get(lies)
    if (first !== undefined)
      throw refused(`${path}[${at}].path`, `file ${first} of the list lies at the same place: give one of them a path`)
    places.set(lies, at)
  }
  // In one order, so that two messages that name the same files don't wait for each other.
  const keys = [...new Set(uploads.map(([, { source }]) => source))].sort()
  const held = await tx.query<{ key: string }>(
    `update workbench.uploads set in_message = true where key in (
       select key from workbench.uploads where key = any ($1) and user_id = $2 and size is not null order by key for update
     ) returning key`,
    [keys, userId],
  )
  const known = new Set(held.map(({ key }) => key))
  for (const [at, { source }] of uploads)
    if (!known.has(source)) throw refused(`${path}[${at}].source`, 'this is not one of your uploads, or no more')
}

const refused = (path: string, message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `${path}: ${message}`, { path })
