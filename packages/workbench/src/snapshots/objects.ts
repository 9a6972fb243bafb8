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

/** Of the manifests in memory, as they lie in storage: one of ten thousand files has 4 MB, and takes about as much here. */
const mostKeptBytes = 64 * 1024 * 1024

export const createSnapshotReader = (
  objects: SnapshotObjects | null,
  { keptBytes = mostKeptBytes }: { keptBytes?: number } = {},
): SnapshotReader => {
  const kept = createCache<WorkspaceManifest>(keptBytes)

  const store = (): SnapshotObjects => {
    if (objects === null) throw new TuttiError('FILES_NOT_ENABLED', 'This backend was started without object storage')
    return objects
  }
  const readJson = async (key: string): Promise<{ value: unknown; bytes: number }> => {
    try {
      const { stream, size: bytes } = await store().get(key)
      return { value: JSON.parse(await text(stream)), bytes }
    } catch (error) {
      if (error instanceof SyntaxError) throw lost(key)
      if (isLost(error)) throw lost(key)
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
      return kept.of(key, async () => {
        const { value, bytes } = await readJson(key)
        const read = workspaceManifest.safeParse(value)
        if (!read.success) throw lost(key)
        check(userId, [read.data.private_key, ...read.data.files.map((file) => file.key)])
        return { value: read.data, bytes }
      })
    },
    hidden: async (userId, { private_key }) => {
      const read = privateManifest.safeParse((await readJson(private_key)).value)
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
        if (isLost(error)) throw lost(key)
        throw error
      }
    },
  }
}

interface Cache<T> {
  /** What is kept under the key; else read, once however many ask for it meanwhile. A read that fails is not kept. */
  of(key: string, read: () => Promise<{ value: T; bytes: number }>): Promise<T>
}

/** Keeps what was used last, up to so many bytes. */
const createCache = <T>(mostBytes: number): Cache<T> => {
  const kept = new Map<string, { value: Promise<T>; bytes: number }>()
  let total = 0
  const drop = (key: string): void => {
    total -= kept.get(key)?.bytes ?? 0
    kept.delete(key)
  }
  return {
    of: (key, read) => {
      const known = kept.get(key)
      if (known !== undefined) {
        kept.delete(key)
        kept.set(key, known)
        return known.value
      }
      const reading = read()
      const value = reading.then((done) => done.value)
      const entry = { value, bytes: 0 }
      kept.set(key, entry)
      reading.then(
        ({ bytes }) => {
          if (kept.get(key) !== entry) return
          entry.bytes = bytes
          total += bytes
          for (const [oldest] of kept) if (total > mostBytes) drop(oldest)
        },
        () => {
          if (kept.get(key) === entry) drop(key)
        },
      )
      return value
    },
  }
}

/** Whether an object is not there any more, or not as it was stored. */
export const isLost = (error: unknown): boolean =>
  error instanceof ObjectStoreError && ['NOT_FOUND', 'CORRUPT'].includes(error.code)

const lost = (key: string): TuttiError =>
  new TuttiError('SNAPSHOT_NOT_FOUND', `The snapshot can’t be read: ${key.split('/').slice(-3).join('/')}`)
