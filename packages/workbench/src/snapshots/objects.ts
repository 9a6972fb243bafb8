import { text } from 'node:stream/consumers'
import {
  type PrivateManifest,
  privateManifest,
  TuttiError,
  userWorkspaces,
  type WorkspaceManifest,
  workspaceManifest,
} from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'

/** Where snapshots and uploads lie. */
export type SnapshotObjects = Pick<ObjectStore, 'delete' | 'get' | 'head' | 'put'>

/** Manifests never change once they are written, so they are read once. */
export interface SnapshotReader {
  /** @throws TuttiError SNAPSHOT_NOT_FOUND when it is missing, damaged, or leads to files of somebody else */
  manifest(userId: string, key: string): Promise<WorkspaceManifest>
  hidden(userId: string, manifest: WorkspaceManifest): Promise<PrivateManifest>
  /** The first bytes of a content, all of them where there are no more. */
  content(key: string): Promise<Buffer>
}

/** Manifests in memory; one of ten thousand files takes some megabytes. */
const mostKept = 32

export const createSnapshotReader = (objects: SnapshotObjects | null): SnapshotReader => {
  const kept = new Map<string, WorkspaceManifest>()

  const store = (): SnapshotObjects => {
    if (objects === null) throw new TuttiError('FILES_NOT_ENABLED', 'This backend was started without object storage')
    return objects
  }
  const readJson = async (key: string): Promise<unknown> => {
    try {
      return JSON.parse(await text((await store().get(key)).stream))
    } catch (error) {
      if (error instanceof SyntaxError) throw lost(key)
      if (error instanceof ObjectStoreError && ['NOT_FOUND', 'CORRUPT'].includes(error.code)) throw lost(key)
      throw error
    }
  }
  const check = (userId: string, keys: string[]): void => {
    const within = userWorkspaces(userId)
    const stray = keys.find((key) => !key.startsWith(within))
    if (stray !== undefined) throw lost(stray)
  }

  return {
    manifest: async (userId, key) => {
      check(userId, [key])
      const known = kept.get(key)
      if (known !== undefined) {
        kept.delete(key)
        kept.set(key, known)
        return known
      }
      const read = workspaceManifest.safeParse(await readJson(key))
      if (!read.success) throw lost(key)
      check(userId, [read.data.private_key, ...read.data.files.map((file) => file.key)])
      kept.set(key, read.data)
      const [oldest] = kept.keys()
      if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest)
      return read.data
    },
    hidden: async (userId, { private_key }) => {
      const read = privateManifest.safeParse(await readJson(private_key))
      if (!read.success) throw lost(private_key)
      check(
        userId,
        read.data.files.map((file) => file.key),
      )
      return read.data
    },
    content: async (key) => {
      try {
        return Buffer.concat(await (await store().get(key)).stream.toArray())
      } catch (error) {
        if (error instanceof ObjectStoreError && error.code === 'NOT_FOUND') throw lost(key)
        throw error
      }
    },
  }
}

const lost = (key: string): TuttiError =>
  new TuttiError('SNAPSHOT_NOT_FOUND', `The snapshot can’t be read: ${key.split('/').slice(-3).join('/')}`)
