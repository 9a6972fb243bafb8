/** Packing and removing a workspace because somebody says so. Never under a run that is at work in it. */
import { access, stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { type ExecutorCancelled, TuttiError, type WorkspaceArchived, type WorkspaceRemoved } from '@tutti/contracts'
import type { SessionGate } from '../claim/sessions.ts'
import { packWorkspace } from '../cleanup/archive.ts'
import { isInOtherHands, removeWorkspace } from '../cleanup/cleanup.ts'
import { within } from '../patience.ts'
import { type Home, homeOf, type Meta, readMeta } from '../stage/home.ts'
import { folderOfUser } from '../stage/paths.ts'

export interface PutAwayDeps {
  workspaceRoot: string
  gate: SessionGate
  now: () => Date
  /** Ends what runs here for the session. */
  cancel(sessionId: string, reason: string): Promise<ExecutorCancelled>
  /** Ends the sandbox that waits in the workspace for the session's next turn, if there is one. */
  closeKept(sessionId: string): Promise<void>
}

/** Longer than a cancelled run takes to store its files and to be told. */
const cancelledMs = 30_000

/** @throws TuttiError WORKSPACE_NOT_FOUND, SESSION_BUSY */
export const archiveWorkspace = async (
  deps: PutAwayDeps,
  userId: string,
  session_id: string,
): Promise<WorkspaceArchived> => {
  const home = await present(deps, userId, session_id, 'workspace')
  const leave = deps.gate.tryEnter(session_id)
  if (leave === undefined) throw busy()
  try {
    await deps.closeKept(session_id)
    await metaAtRest(home)
    const place = { user: folderOfUser(userId), session: session_id, folder: home.folder }
    const archive = await packWorkspace(deps.workspaceRoot, place, deps.now())
    return { session_id, path: relative(deps.workspaceRoot, archive), size_bytes: (await stat(archive)).size }
  } finally {
    leave()
  }
}

/**
 * @param force also one in which a run is at work, which is cancelled first, and one that object storage has not all of
 * @throws TuttiError WORKSPACE_NOT_FOUND, SESSION_BUSY, WORKSPACE_NOT_STORED
 */
export const dropWorkspace = async (
  deps: PutAwayDeps,
  userId: string,
  session_id: string,
  force: boolean,
): Promise<WorkspaceRemoved> => {
  const home = await present(deps, userId, session_id, 'folder')
  const cancelled_runs = force ? (await deps.cancel(session_id, 'its workspace is removed')).matched_container_count : 0
  const leave = force ? await enterSoon(deps.gate, session_id) : deps.gate.tryEnter(session_id)
  if (leave === undefined) throw busy()
  try {
    await deps.closeKept(session_id)
    const meta = await metaAtRest(home)
    if (!force && (meta === null || meta.changed || meta.stored_key === null))
      throw new TuttiError('WORKSPACE_NOT_STORED', 'Object storage has not all files of this workspace')
    if (!(await removeWorkspace(deps.workspaceRoot, home.folder, meta))) throw busy()
    return { session_id, cancelled_runs }
  } finally {
    leave()
  }
}

/** @param what must be there: the place of the session, or its files as well */
const present = async (
  { workspaceRoot }: PutAwayDeps,
  userId: string,
  sessionId: string,
  what: 'folder' | 'workspace',
): Promise<Home> => {
  const home = homeOf(workspaceRoot, userId, sessionId)
  const found = await access(home[what]).then(
    () => true,
    () => false,
  )
  if (!found) throw new TuttiError('WORKSPACE_NOT_FOUND', 'This host has no workspace of this session')
  return home
}

/** Whoever has it under another manager of this host can’t be asked to stop from here. */
const metaAtRest = async (home: Home): Promise<Meta | null> => {
  const meta = await readMeta(home.folder)
  if (isInOtherHands(meta)) throw busy()
  return meta
}

/** The run that was cancelled puts its files away first. */
const enterSoon = async (gate: SessionGate, sessionId: string): Promise<(() => void) | undefined> => {
  const entering = gate.enter(sessionId)
  const entered = await within(entering, cancelledMs)
  // It must not stay locked by somebody who has gone.
  if (entered === undefined) entering.then((leave) => leave()).catch(() => {})
  return entered
}

const busy = (): TuttiError => new TuttiError('SESSION_BUSY', 'A run of the session is at work in this workspace')
