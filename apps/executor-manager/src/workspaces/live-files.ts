/** The files of a workspace as they are now, for people: what its snapshot would show, and through no link that an agent left. */
import type { FileHandle } from 'node:fs/promises'
import { type LiveFiles, TuttiError } from '@tutti/contracts'
import { type KeepOptions, keepRules } from '../export/rules.ts'
import { scan } from '../export/scan.ts'
import { RunFault } from '../fault.ts'
import { type Directory, openDirectory } from '../files/directory.ts'
import { homeOf } from '../stage/home.ts'
import { segmentsOf } from '../stage/paths.ts'

export interface LiveDeps extends KeepOptions {
  workspaceRoot: string
}

/** In one answer. */
const mostFiles = 10_000

/** Looked at for it: an agent can make more files than anybody lists. */
const mostSeen = 100_000

/** @throws TuttiError WORKSPACE_NOT_FOUND; PAYLOAD_TOO_LARGE where there are more files than a snapshot may have */
export const listLive = async (
  deps: LiveDeps,
  userId: string,
  sessionId: string,
  signal: AbortSignal,
): Promise<LiveFiles> => {
  const { workspace } = homeOf(deps.workspaceRoot, userId, sessionId)
  const limits = { maxFiles: mostSeen, maxBytes: Number.POSITIVE_INFINITY, signal }
  const found = await scan(workspace, { rules: keepRules(deps), ...limits }).catch((error: unknown) => {
    if (error instanceof RunFault) throw new TuttiError('PAYLOAD_TOO_LARGE', error.message)
    throw asMissing(error)
  })
  const files = found.files
    .filter(({ shown }) => shown)
    .map(({ path, size, modifiedMs }) => ({ path, size, modified_at: new Date(modifiedMs).toISOString() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  return { files: files.slice(0, mostFiles), truncated: files.length > mostFiles }
}

/** Whoever gets it closes it. @throws TuttiError WORKSPACE_NOT_FOUND, FILE_NOT_FOUND, INVALID_QUERY for a path that leads elsewhere */
export const openLive = async (
  deps: LiveDeps,
  userId: string,
  sessionId: string,
  path: string,
): Promise<{ handle: FileHandle; size: number; name: string }> => {
  const segments = checkedSegments(path.replace(/^\/+/, ''))
  const name = segments.at(-1)
  const missing = new TuttiError('FILE_NOT_FOUND', 'There is no such file in the workspace')
  const { workspace } = homeOf(deps.workspaceRoot, userId, sessionId)
  if (name === undefined || !isShown(deps, segments)) throw missing
  const root = await openDirectory(workspace).catch((error: unknown) => {
    throw asMissing(error)
  })
  const handle = await fileIn(root, segments)
  if (handle === undefined) throw missing
  return { handle, name, size: (await handle.stat()).size }
}

const checkedSegments = (path: string): string[] => {
  try {
    return segmentsOf(path)
  } catch (error) {
    if (!(error instanceof RunFault)) throw error
    throw new TuttiError('INVALID_QUERY', `query.path: ${error.message}`, { path: 'query.path' })
  }
}

/** A folder that is left out hides all that lies in it. */
const isShown = (deps: LiveDeps, segments: readonly string[]): boolean => {
  const rules = keepRules(deps)
  return segments.every((name, at) => {
    const kind = at === segments.length - 1 ? 'file' : 'directory'
    return rules.of(segments.slice(0, at + 1).join('/'), name, kind) === 'shown'
  })
}

/** Closes the directory. */
const fileIn = async (directory: Directory, [name, ...rest]: readonly string[]): Promise<FileHandle | undefined> => {
  try {
    if (name === undefined) return undefined
    if (rest.length === 0) return await directory.file(name)
    const inner = await directory.directory(name)
    return inner && (await fileIn(inner, rest))
  } finally {
    await directory.close()
  }
}

const asMissing = (error: unknown): unknown =>
  (error as NodeJS.ErrnoException).code === 'ENOENT'
    ? new TuttiError('WORKSPACE_NOT_FOUND', 'This host has no workspace of this session')
    : error
