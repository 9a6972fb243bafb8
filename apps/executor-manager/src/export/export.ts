/**
 * After the turn: what the workspace holds goes to object storage, only what changed. Keys are never written twice, not
 * even by two attempts of one run: a reader of an older list keeps getting what that list promised.
 */
import { randomBytes } from 'node:crypto'
import type { ClaimedRun, ExportedFile, ExportReport } from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'
import type { Logger } from '@tutti/telemetry'
import { RunFault } from '../fault.ts'
import { checkUserId } from '../stage/paths.ts'
import { type Manifest, newestManifestKey, readNewest } from './manifest.ts'
import { mimeTypeOf } from './mime.ts'
import { exportFailed, retried, uploadFile } from './upload.ts'
import { type FoundFile, walk } from './walk.ts'

export interface ExportOptions {
  ignoreDotFiles: boolean
  maxFiles: number
  maxBytes: number
  tries: number
  pauseMs: number
  parallel: number
  /** Aborts when the lease is lost: nothing more may be written. */
  signal: AbortSignal
}

export interface ExportDeps {
  objects: Pick<ObjectStore, 'get' | 'put'>
  log: Logger
}

export type ExportedRun = Pick<ClaimedRun, 'run_id' | 'session_id' | 'user_id' | 'attempt'>

export type Exported = Extract<ExportReport, { status: 'ready' }>

/** Rejects with `RunFault`, or with the signal's reason. */
export const exportWorkspace = async (
  deps: ExportDeps,
  run: ExportedRun,
  workspace: string,
  options: ExportOptions,
): Promise<Exported> => {
  try {
    return await exportAll(deps, run, workspace, options)
  } catch (error) {
    if (options.signal.aborted || error instanceof RunFault) throw error
    throw exportFailed(error)
  }
}

const exportAll = async (
  deps: ExportDeps,
  run: ExportedRun,
  workspace: string,
  options: ExportOptions,
): Promise<Exported> => {
  const sessionPrefix = `workspaces/${checkUserId(run.user_id)}/${run.session_id}`
  // Random, because an attempt may be handed out twice under one number, and both holders may be uploading.
  const base = `${sessionPrefix}/runs/${run.run_id}/${run.attempt}-${randomBytes(4).toString('hex')}`
  const { files: found, unnameable } = await walk(workspace, options)
  if (unnameable > 0) deps.log.warn({ files: unnameable }, 'files are not exported because of their names')
  const before = await retried(options, () => readNewest(deps.objects, sessionPrefix))
  const upload = { objects: deps.objects, workspace, prefix: `${base}/files`, before, ...options }

  const stored = new Map<FoundFile, ExportedFile>()
  const waiting = [...found].reverse()
  const work = async (): Promise<void> => {
    try {
      for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
        const one = await uploadFile(file, upload)
        if (one !== undefined) stored.set(file, one)
      }
    } finally {
      // One that fails ends the others after their file.
      waiting.length = 0
    }
  }
  // All have ended before the first fault is told: an upload that went on would read a workspace that is in use again.
  const ends = await Promise.allSettled(Array.from({ length: options.parallel }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason

  // In the order of the walk, whichever upload was done first.
  const manifest = manifestOf(run.run_id, found, stored)
  const text = JSON.stringify(manifest)
  const asJson = { contentType: 'application/json' }
  const manifestKey = `${base}/manifest.json`
  await retried(options, () => deps.objects.put(manifestKey, text, asJson))
  await retried(options, () => deps.objects.put(newestManifestKey(sessionPrefix), text, asJson))
  return {
    status: 'ready',
    prefix: `${base}/files`,
    manifest_key: manifestKey,
    files: manifest.files.map(({ path, size, sha256, key }) => ({ path, size, sha256, key })),
  }
}

const manifestOf = (
  runId: string,
  found: readonly FoundFile[],
  stored: ReadonlyMap<FoundFile, ExportedFile>,
): Manifest => ({
  version: 1,
  generated_at: new Date().toISOString(),
  run_id: runId,
  files: found.flatMap((file) => {
    const one = stored.get(file)
    if (one === undefined) return []
    const last_modified = new Date(file.modifiedMs).toISOString()
    return [{ ...one, mimeType: mimeTypeOf(file.path), status: 'uploaded' as const, last_modified }]
  }),
})
