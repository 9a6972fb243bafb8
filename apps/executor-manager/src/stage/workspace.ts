/** Prepares a session's workspace for a run: see `home.ts` for where it lies. */
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClaimedRun } from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'
import type { KeepOptions } from '../export/rules.ts'
import { errnoOf, messageOf, RunFault } from '../fault.ts'
import type { ContentCache } from '../files/content-cache.ts'
import { type Directory, openDirectory } from '../files/directory.ts'
import { openKnownFiles } from '../files/known-files.ts'
import { placeTree } from '../files/place-tree.ts'
import { isUpToDate, restore } from '../snapshot/restore.ts'
import { copyFolder } from './folder.ts'
import { type Home, homeOf, makeHome, noteMeta, readMeta } from './home.ts'
import { segmentsOf } from './paths.ts'
import { plannedTrees } from './planned.ts'
import { placeRepository } from './repository.ts'

export interface StagingOptions extends KeepOptions {
  workspaceRoot: string
  stagingRoots: readonly string[]
  maxFolderFiles: number
  maxFolderBytes: number
  objects: Pick<ObjectStore, 'get' | 'head' | 'list'>
  cache: ContentCache
  /** Of repositories: see `RepositoryOptions`. */
  privateHosts: boolean
  caFile?: string | undefined
  repositoryTimeoutMs: number
  signal: AbortSignal
  /** Awaited before anything in the workspace is changed: until then something may still live in it. */
  beforeChange?: (() => Promise<void> | undefined) | undefined
}

export type StagedRun = Pick<ClaimedRun, 'run_id' | 'session_id' | 'user_id' | 'config' | 'staging' | 'snapshot_key'>

/** Prepares the workspace of a run and returns its place. Doing it again, after a crash at any line, ends the same. */
export const stageRun = async (run: StagedRun, options: StagingOptions): Promise<Home> => {
  const home = homeOf(options.workspaceRoot, run.user_id, run.session_id)
  try {
    await makeHome(home)
    const { snapshot_key } = run
    const meta = await readMeta(home.folder)
    const upToDate = isUpToDate(meta, snapshot_key)
    const base_key = upToDate ? snapshot_key : (meta?.base_key ?? null)
    await noteMeta(home, run.run_id, { status: 'active', changed: true, base_key })
    if (!upToDate && snapshot_key !== null) {
      await options.beforeChange?.()
      await restore(run, home, snapshot_key, options)
    }
    await stage(run, home, options)
    return home
  } catch (error) {
    if (error instanceof RunFault || options.signal.aborted) throw error
    const what = errnoOf(error) === 'ENOSPC' ? 'the disk is full' : messageOf(error)
    throw new RunFault('STAGING_FAILED', `The workspace could not be prepared: ${what}`, {
      retryable: true,
      cause: error,
    })
  }
}

/**
 * Files are given once per run, not once per attempt: a second attempt continues with what the first one did to them.
 * The mark is written last, so that a staging that was interrupted is done again. Managed folders are put right each time.
 */
const stage = async (run: StagedRun, home: Home, options: StagingOptions): Promise<void> => {
  const { folder } = run.config.workspace ?? {}
  const { staging } = run
  const mark = join(home.staged, run.run_id)
  const first = !(await exists(mark))
  if (folder !== undefined) segmentsOf(folder.path)
  const limits = { maxFiles: options.maxFolderFiles, maxBytes: options.maxFolderBytes, signal: options.signal }
  const trees = await plannedTrees(staging, { ...options, ...limits }, first)

  const root = await openDirectory(home.workspace)
  try {
    if (first && folder !== undefined) {
      await options.beforeChange?.()
      await copyFolder(root, folder, { ...limits, stagingRoots: options.stagingRoots })
    }
    const timeoutMs = options.repositoryTimeoutMs
    // Before the files: they may be meant to lie in one.
    for (const repository of staging.repositories)
      await placeRepository(root, repository, { ...options, userId: home.userId, timeoutMs })
    await place(root, home, trees, options)
  } finally {
    await root.close()
  }
  if (first) await writeFile(mark, '')
}

const place = async (
  root: Directory,
  home: Home,
  trees: Awaited<ReturnType<typeof plannedTrees>>,
  { cache, signal, beforeChange }: StagingOptions,
): Promise<void> => {
  const planned = Object.values(trees).filter(({ files, folders }) => files.size + folders.size > 0)
  if (planned.length === 0) return
  const known = await openKnownFiles(home.known)
  try {
    for (const tree of planned)
      await placeTree(root, tree, '', { cache, known, keeps: () => false, signal, beforeChange })
  } finally {
    // Also after a fault: what was placed need not be placed again.
    await known.save()
  }
}

const exists = async (path: string): Promise<boolean> => {
  try {
    await access(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
