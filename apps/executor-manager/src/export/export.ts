/**
 * After the turn, whatever its end: a snapshot of the workspace goes to object storage, only what changed. Contents lie
 * under their hashes and manifests under keys of their own, so no later run, attempt or late holder changes a snapshot.
 */
import { randomBytes } from 'node:crypto'
import {
  blobKey,
  type ClaimedRun,
  type ExportReport,
  type ManifestFile,
  type PrivateManifest,
  type StoredFile,
  sessionPrefix,
  type WorkspaceManifest,
} from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'
import type { Logger } from '@tutti/telemetry'
import { RunFault } from '../fault.ts'
import { type KnownFiles, newKnownFiles, openKnownFiles } from '../files/known-files.ts'
import { sideBySide } from '../files/side-by-side.ts'
import { type Home, noteMeta } from '../stage/home.ts'
import { isGivenToRuntime } from '../stage/paths.ts'
import { type BlobDeps, type Blobs, createBlobs, exportFailed, listBlobs, retried } from './blobs.ts'
import { mimeTypeOf } from './mime.ts'
import { type KeepOptions, keepRules } from './rules.ts'
import { type Found, type FoundFile, scan } from './scan.ts'

export interface ExportOptions extends KeepOptions {
  maxFiles: number
  maxBytes: number
  tries: number
  pauseMs: number
  /** For how long a store is waited for that is away; asked again before each try. */
  awayMs: () => number
  parallel: number
  /** Aborts when the lease is lost: nothing more may be written. */
  signal: AbortSignal
}

export interface ExportDeps {
  objects: Pick<ObjectStore, 'head' | 'list' | 'put'>
  log: Logger
}

export type ExportedRun = Pick<ClaimedRun, 'run_id' | 'attempt'>

export type Exported = Extract<ExportReport, { status: 'ready' }>

/** Rejects with `RunFault`, or with the signal's reason. */
export const exportWorkspace = async (
  deps: ExportDeps,
  run: ExportedRun,
  home: Home,
  options: ExportOptions,
): Promise<Exported> => {
  try {
    return await exportAll(deps, run, home, options)
  } catch (error) {
    if (options.signal.aborted || error instanceof RunFault) throw error
    throw exportFailed(error)
  }
}

/** With more new files than this the stored hashes are listed; with fewer they are asked for one by one. */
const manyNew = 100

const exportAll = async (deps: ExportDeps, run: ExportedRun, home: Home, options: ExportOptions): Promise<Exported> => {
  const prefix = sessionPrefix(home.userId, home.sessionId)
  const rules = keepRules(options)
  const [found, known] = await Promise.all([scan(home.workspace, { ...options, rules }), openKnownFiles(home.known)])
  const stored = known.storedHashes()
  const blobDeps: BlobDeps = { objects: deps.objects, workspace: home.workspace, prefix, ...options }
  const news = found.files.filter((file) => !known.get(file.path, file.stats)?.stored)
  const listed = news.length > manyNew
  if (listed) for (const sha256 of await listBlobs(blobDeps)) stored.add(sha256)

  const contents = await storeContents(
    createBlobs(blobDeps, { hashes: stored, all: listed }),
    stored,
    known,
    found.files,
    options.parallel,
  )
  const skipped = [...found.skipped, ...contents.skipped]
  if (skipped.length > 0)
    deps.log.warn({ files: skipped.slice(0, 20), count: skipped.length }, 'some files are not kept')

  // In the order of the scan, whichever upload was done first.
  const kept = found.files.flatMap((file) => {
    const sha256 = contents.hashes.get(file)
    return sha256 === undefined ? [] : [{ file, stored: storedFile(prefix, file, sha256) }]
  })
  const here = new Set(found.files.map(({ path }) => path))
  const base = `${prefix}/runs/${run.run_id}/${run.attempt}-${randomBytes(6).toString('hex')}`
  const manifest: WorkspaceManifest = {
    version: 1,
    generated_at: new Date().toISOString(),
    session_id: home.sessionId,
    run_id: run.run_id,
    files: kept.flatMap((one) => (one.file.shown ? [manifestFile(one.file, one.stored)] : [])).sort(byPath),
    deleted: known
      .storedPaths()
      .filter((path) => !here.has(path) && rules.of(path, path.slice(path.lastIndexOf('/') + 1), 'file') === 'shown')
      .sort(),
    skipped,
    private_key: `${base}/private.json`,
  }
  const hidden = kept.flatMap((one) => (one.file.shown ? [] : [one.stored])).sort(byPath)
  const manifestKey = await putManifests(blobDeps, base, manifest, hidden, found)

  const fresh = newKnownFiles(home.known)
  for (const one of kept) fresh.set(one.file.path, one.file.stats, { sha256: one.stored.sha256, stored: true })
  // Not stored, and there all the same: the next run need not write them again.
  fresh.adopt(known, isGivenToRuntime)
  await fresh.save()
  await noteMeta(home, run.run_id, { stored_key: manifestKey, changed: false, size_bytes: found.bytes })
  return {
    status: 'ready',
    prefix: blobKey(prefix, '').slice(0, -1),
    manifest_key: manifestKey,
    files: manifest.files.map(({ path, size, sha256, key }) => ({ path, size, sha256, key })),
  }
}

interface Contents {
  hashes: ReadonlyMap<FoundFile, string>
  skipped: { path: string; reason: 'changing' }[]
}

const storeContents = async (
  blobs: Blobs,
  stored: ReadonlySet<string>,
  known: KnownFiles,
  files: readonly FoundFile[],
  parallel: number,
): Promise<Contents> => {
  const hashes = new Map<FoundFile, string>()
  const skipped: Contents['skipped'] = []
  const store = async (file: FoundFile): Promise<void> => {
    const sha256 = await blobs.store(file, known.get(file.path, file.stats)?.sha256)
    if (sha256 === 'gone') return
    if (sha256 === 'changing') skipped.push({ path: file.path, reason: sha256 })
    else {
      hashes.set(file, sha256)
      known.set(file.path, file.stats, { sha256, stored: true })
    }
  }
  const waiting = files.filter((file) => {
    const before = known.get(file.path, file.stats)
    if (before === undefined || !stored.has(before.sha256)) return true
    hashes.set(file, before.sha256)
    return false
  })
  try {
    await sideBySide(waiting, parallel, store)
  } catch (error) {
    // What was stored until here need not be read again by the next attempt.
    await known.save()
    throw error
  }
  return { hashes, skipped }
}

/** The hidden part first: a manifest never names what is not there. The session's own manifest is a copy of the newest. */
const putManifests = async (
  deps: BlobDeps,
  base: string,
  manifest: WorkspaceManifest,
  files: StoredFile[],
  { links, emptyFolders }: Found,
): Promise<string> => {
  const hidden: PrivateManifest = {
    version: 1,
    files,
    links: [...links].sort(byPath),
    folders: [...emptyFolders].sort(),
  }
  const put = (key: string, text: string): Promise<unknown> =>
    retried(deps, () => deps.objects.put(key, text, { contentType: 'application/json' }))
  await put(manifest.private_key, JSON.stringify(hidden))
  const text = JSON.stringify(manifest)
  const key = `${base}/manifest.json`
  await Promise.all([put(key, text), put(`${deps.prefix}/manifest.json`, text)])
  return key
}

const storedFile = (prefix: string, { path, size, executable }: FoundFile, sha256: string): StoredFile => ({
  ...{ path, key: blobKey(prefix, sha256), size, sha256 },
  mode: executable ? 0o755 : 0o644,
})

const manifestFile = ({ path, modifiedMs }: FoundFile, stored: StoredFile): ManifestFile => ({
  ...stored,
  ...{ mimeType: mimeTypeOf(path), status: 'uploaded' as const },
  last_modified: new Date(modifiedMs).toISOString(),
})

const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1)
