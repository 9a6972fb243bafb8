import { setTimeout as delay } from 'node:timers/promises'
import type { ExportedFile } from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'
import { backoffMs } from '../backend/backoff.ts'
import { RunFault } from '../fault.ts'
import { mimeTypeOf } from './mime.ts'
import { sha256Of, withFile } from './read-file.ts'
import type { FoundFile } from './walk.ts'

export interface UploadDeps {
  objects: Pick<ObjectStore, 'put'>
  workspace: string
  /** Where new files go. */
  prefix: string
  /** The session's last export. */
  before: ReadonlyMap<string, ExportedFile>
  tries: number
  pauseMs: number
  signal: AbortSignal
}

/** The file as it stands in object storage; uploaded unless it stands there already. Undefined: it is gone. */
export const uploadFile = async (found: FoundFile, deps: UploadDeps): Promise<ExportedFile | undefined> => {
  const { path } = found
  const known = deps.before.get(path)
  if (known?.size === found.size) {
    const sha256 = await withFile(deps.workspace, path, sha256Of)
    if (sha256 === known.sha256) return { path, size: known.size, sha256, key: known.key }
  }
  return withFile(deps.workspace, path, (file) =>
    retried(deps, async () => {
      const body = file.createReadStream({ autoClose: false, start: 0 })
      const { key, size, sha256 } = await deps.objects.put(`${deps.prefix}/${path}`, body, {
        contentType: mimeTypeOf(path),
      })
      return { path, size, sha256, key }
    }),
  )
}

/** A store that hiccups must not cost a turn that took an hour; one that is full or gone is told after a few tries. */
export const retried = async <T>(
  { tries, pauseMs, signal }: Pick<UploadDeps, 'tries' | 'pauseMs' | 'signal'>,
  put: () => Promise<T>,
): Promise<T> => {
  for (let done = 1; ; done += 1) {
    signal.throwIfAborted()
    try {
      return await put()
    } catch (error) {
      if (done >= tries) throw error instanceof RunFault ? error : exportFailed(error)
      await delay((backoffMs(done, Math.random()) / 100) * pauseMs, undefined, { signal })
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
