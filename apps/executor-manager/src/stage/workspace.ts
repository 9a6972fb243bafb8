/**
 * A session's place on the host: WORKSPACE_ROOT/active/{user}/{session}/. Its `workspace` is what the sandbox sees; it
 * survives from turn to turn. What stands beside it belongs to the manager alone.
 */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClaimedRun, turn } from '@tutti/contracts'
import { errnoOf, messageOf, RunFault } from '../fault.ts'
import { openDirectory } from '../files/directory.ts'
import { copyFolder } from './folder.ts'
import { checkUserId, fileSegmentsOf, segmentsOf } from './paths.ts'
import { placeFile, withFolder } from './place.ts'

export interface StagingOptions {
  workspaceRoot: string
  stagingRoots: readonly string[]
  maxFolderFiles: number
  maxFolderBytes: number
  signal: AbortSignal
}

export type StagedRun = Pick<ClaimedRun, 'run_id' | 'session_id' | 'user_id' | 'config'>

/** Prepares the workspace of a run and returns its path. Doing it again, after a crash at any line, ends the same. */
export const stageRun = async (run: StagedRun, options: StagingOptions): Promise<string> => {
  const session = turn.shape.session_id.parse(run.session_id)
  const home = join(options.workspaceRoot, 'active', checkUserId(run.user_id), session)
  try {
    const workspace = join(home, 'workspace')
    // Nobody else on the host has business in the sessions' folders; sandboxes get theirs mounted.
    await mkdir(join(home, 'staged'), { recursive: true, mode: 0o700 })
    await mkdir(workspace, { recursive: true, mode: 0o700 })
    await stageOnce(run, workspace, join(home, 'staged', run.run_id), options)
    return workspace
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
 * Files are staged once per run, not once per attempt: a second attempt continues with what the first one did to them.
 * The mark is written last, so that a staging that was interrupted is done again.
 */
const stageOnce = async (run: StagedRun, workspace: string, mark: string, options: StagingOptions): Promise<void> => {
  const { folder, files = [] } = run.config.workspace ?? {}
  if (folder === undefined && files.length === 0) return
  if (await exists(mark)) return
  // All paths before the first write: a request that is refused leaves nothing behind.
  const placed = files.map((file) => ({ ...file, ...fileSegmentsOf(file.path) }))
  if (folder !== undefined) segmentsOf(folder.path)

  const root = await openDirectory(workspace)
  try {
    if (folder !== undefined) {
      await copyFolder(root, folder, {
        stagingRoots: options.stagingRoots,
        maxFiles: options.maxFolderFiles,
        maxBytes: options.maxFolderBytes,
        signal: options.signal,
      })
    }
    // After the folder: a file that is named one by one is meant more than one that came along.
    for (const { folders, name, content } of placed) {
      options.signal.throwIfAborted()
      await withFolder(root, folders, (into) => placeFile(into, name, 0o644, (file) => file.writeFile(content)))
    }
  } finally {
    await root.close()
  }
  await writeFile(mark, '')
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
