/** Snapshots, read back. What they name must lie where the session's owner has workspaces. */
import { text } from 'node:stream/consumers'
import {
  type PrivateManifest,
  privateManifest,
  userWorkspaces,
  type WorkspaceManifest,
  workspaceManifest,
} from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'

export interface Snapshot {
  key: string
  manifest: WorkspaceManifest
  hidden: PrivateManifest
}

/** @throws Error when it is missing, damaged, or leads to files of somebody else */
export const readSnapshot = async (
  objects: Pick<ObjectStore, 'get'>,
  userId: string,
  key: string,
): Promise<Snapshot> => {
  const within = userWorkspaces(userId)
  const check = (...keys: string[]): void => {
    const stray = keys.find((each) => !each.startsWith(within))
    if (stray !== undefined) throw new Error(`the snapshot ${key} leads to ${stray}, which is not its owner’s`)
  }
  check(key)
  const manifest = workspaceManifest.parse(await readJson(objects, key))
  check(manifest.private_key, ...manifest.files.map((file) => file.key))
  const hidden = privateManifest.parse(await readJson(objects, manifest.private_key))
  check(...hidden.files.map((file) => file.key))
  return { key, manifest, hidden }
}

const readJson = async (objects: Pick<ObjectStore, 'get'>, key: string): Promise<unknown> =>
  JSON.parse(await text((await objects.get(key)).stream))
