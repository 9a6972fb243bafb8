/** The contents of a session in object storage: each stored once, under its hash, and never asked for twice. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { blobKey } from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'
import { backoffMs } from '../backend/backoff.ts'
import { RunFault } from '../fault.ts'
import { awayPause, isAway } from '../files/away.ts'
import { mimeTypeOf } from './mime.ts'
import { sha256Of, withFile } from './read-file.ts'
import type { FoundFile } from './scan.ts'

export interface BlobDeps {
  objects: Pick<ObjectStore, 'head' | 'list' | 'put'>
  workspace: string
  /** Of the session. */
  prefix: string
  tries: number
  pauseMs: number
  /** For how long a store is waited for that is away; asked again before each try. */
  awayMs: () => number
  signal: AbortSignal
}

export interface Blobs {
  /** Hash of a file that lies in object storage now. `gone`: it has been removed; `changing`: it never stood still. */
  store(file: FoundFile, known: string | undefined): Promise<string | 'gone' | 'changing'>
}

/** Read at once up to this size, and so only once; larger files are read twice and never held. */
const smallBytes = 1024 * 1024

/** How often a file is read that changes meanwhile. Nothing is at work in the workspace, unless a sandbox was left behind. */
const mostReads = 3

export interface StoredBlobs {
  /** What is known to be there; grows. */
  hashes: Set<string>
  /** Whether it was listed: what is not among them need not be asked for. */
  all: boolean
}

export const createBlobs = (deps: BlobDeps, { hashes: stored, all }: StoredBlobs): Blobs => {
  const { objects, prefix, workspace } = deps
  const storing = new Map<string, Promise<void>>()

  /** Files of one content, found at the same time, are one upload. */
  const once = async (sha256: string, upload: () => Promise<void>): Promise<void> => {
    if (stored.has(sha256)) return
    const other = storing.get(sha256)
    if (other !== undefined) return other
    const one = uploadUnlessThere(sha256, upload).finally(() => storing.delete(sha256))
    storing.set(sha256, one)
    return one
  }

  /** Unless all were listed, it may be there from an export that was interrupted, or from an earlier state of the workspace. */
  const uploadUnlessThere = async (sha256: string, upload: () => Promise<void>): Promise<void> => {
    await retried(deps, async () => {
      if (all || (await objects.head(blobKey(prefix, sha256))) === null) await upload()
    })
    stored.add(sha256)
  }

  const storeSmall = async (file: FoundFile): Promise<string | undefined> => {
    const bytes = await withFile(workspace, file.path, async (handle) => handle.readFile())
    if (bytes === undefined) return undefined
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const contentType = mimeTypeOf(file.path)
    await once(sha256, async () => {
      await objects.put(blobKey(prefix, sha256), bytes, { contentType, sha256 })
    })
    return sha256
  }

  const storeLarge = (file: FoundFile): Promise<string | undefined> =>
    withFile(workspace, file.path, async (handle) => {
      const sha256 = await sha256Of(handle)
      await once(sha256, async () => {
        const body = handle.createReadStream({ autoClose: false, start: 0 })
        await objects.put(blobKey(prefix, sha256), body, { contentType: mimeTypeOf(file.path), sha256 })
      })
      return sha256
    })

  return {
    store: async (file, known) => {
      if (known !== undefined && stored.has(known)) return known
      for (let reads = 1; reads <= mostReads; reads += 1) {
        deps.signal.throwIfAborted()
        try {
          return (await (file.size <= smallBytes ? storeSmall(file) : storeLarge(file))) ?? 'gone'
        } catch (error) {
          if (!hasChanged(error)) throw error
        }
      }
      return 'changing'
    },
  }
}

/** The hashes of a session that lie in object storage: one listing instead of many questions. */
export const listBlobs = async ({ objects, prefix, ...options }: BlobDeps): Promise<string[]> => {
  const found: string[] = []
  const folder = blobKey(prefix, '')
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await retried(options, () => objects.list(folder, cursor))
    found.push(...page.objects.map(({ key }) => key.slice(folder.length)))
    cursor = page.cursor
  }
  return found
}

const hasChanged = (error: unknown): boolean => error instanceof ObjectStoreError && error.code === 'INTEGRITY_MISMATCH'

/**
 * A store that hiccups must not cost a turn that took an hour, nor one that is away for a while; one that is full or refuses is told
 * after a few tries.
 */
export const retried = async <T>(
  { tries, pauseMs, awayMs, signal }: Pick<BlobDeps, 'tries' | 'pauseMs' | 'awayMs' | 'signal'>,
  action: () => Promise<T>,
): Promise<T> => {
  const began = performance.now()
  for (let done = 1; ; done += 1) {
    signal.throwIfAborted()
    try {
      return await action()
    } catch (error) {
      if (hasChanged(error)) throw error
      const away = isAway(error)
      const enough = away ? performance.now() - began >= awayMs() : done >= tries
      if (enough) throw error instanceof RunFault ? error : exportFailed(error)
      const ms = away ? awayPause(done) : (backoffMs(done, Math.random()) / 100) * pauseMs
      await delay(ms, undefined, { signal })
    }
  }
}

export const exportFailed = (cause: unknown): RunFault => {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const why =
    code === 'NO_SPACE' || code === 'ENOSPC' || code === 'EDQUOT'
      ? 'the disk of the object store is full'
      : cause instanceof Error
        ? cause.message
        : String(cause)
  return new RunFault('EXPORT_FAILED', `The files of the workspace could not be stored: ${why}`, {
    retryable: true,
    cause,
  })
}
