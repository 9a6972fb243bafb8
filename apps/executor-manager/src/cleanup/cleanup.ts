/**
 * Gives back the disk of workspaces that were not used for long. Only what object storage has: a workspace goes when it is
 * as its last snapshot, and its session comes back from that on whichever host. Never while a run is at work in it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@tutti/telemetry'
import type { SessionGate } from '../claim/sessions.ts'
import { isAlive } from '../sandbox/socket-folder.ts'
import { type Meta, readMeta } from '../stage/home.ts'
import { dropEmpty, expireArchives, namesIn, packWorkspace } from './archive.ts'

export interface CleanupOptions {
  workspaceRoot: string
  /** Since the last use. */
  maxAgeMs: number
  /** Whether a workspace is packed before it is removed. */
  archive: boolean
  archiveMs: number
}

export interface CleanupDeps {
  gate: Pick<SessionGate, 'tryEnter'>
  log: Logger
  now: () => Date
}

export interface CleanedUp {
  removed: number
  /** Old enough, but not as a snapshot, or not known at all: they stay. */
  kept: number
  expired: number
}

export const cleanUp = async (deps: CleanupDeps, options: CleanupOptions): Promise<CleanedUp> => {
  const active = join(options.workspaceRoot, 'active')
  const done: CleanedUp = { removed: 0, kept: 0, expired: 0 }
  for (const user of await namesIn(active)) {
    for (const session of await namesIn(join(active, user))) {
      const place = { user, session, folder: join(active, user, session) }
      try {
        const what = await cleanOne(deps, options, place)
        if (what !== 'young') done[what] += 1
      } catch (error) {
        // One that can't be removed must not keep the others.
        deps.log.error({ err: error, session_id: session }, 'a workspace could not be cleaned up')
      }
    }
    await dropEmpty(join(active, user))
  }
  done.expired = await expireArchives(options.workspaceRoot, options.archiveMs, deps.now())
  await removeLeftovers(options.workspaceRoot, deps.now())
  return done
}

interface Place {
  user: string
  session: string
  folder: string
}

const cleanOne = async (
  deps: CleanupDeps,
  options: CleanupOptions,
  place: Place,
): Promise<'young' | 'kept' | 'removed'> => {
  // A run that comes now waits until this is over, and then begins with its snapshot.
  const leave = deps.gate.tryEnter(place.session)
  if (leave === undefined) return 'young'
  try {
    const meta = await readMeta(place.folder)
    const now = deps.now()
    const used = meta === null ? (await stat(place.folder)).mtimeMs : Date.parse(meta.last_used_at)
    if (now.getTime() - used <= options.maxAgeMs || isInOtherHands(meta)) return 'young'
    if (meta === null || meta.changed || meta.stored_key === null) return 'kept'
    if (options.archive) await packWorkspace(options.workspaceRoot, place, now)
    return (await removeWorkspace(options.workspaceRoot, place.folder, meta)) ? 'removed' : 'young'
  } finally {
    leave()
  }
}

/** Another manager on this host may share the folder. */
export const isInOtherHands = (meta: Meta | null): boolean =>
  meta?.status === 'active' && meta.pid !== process.pid && isAlive(meta.pid)

/**
 * Moved away first: whoever looks meanwhile sees the whole workspace or none. Expects the gate of its session.
 * @returns false: another manager has taken it up since it was looked at, and it stays
 */
export const removeWorkspace = async (workspaceRoot: string, folder: string, seen: Meta | null): Promise<boolean> => {
  const temporary = join(workspaceRoot, 'temp')
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  const away = join(temporary, `removed-${randomBytes(8).toString('hex')}`)
  await rename(folder, away)
  if ((await readMeta(away))?.last_used_at !== seen?.last_used_at) {
    // Taken up by another manager at the last moment.
    await rename(away, folder)
    return false
  }
  await rm(away, { recursive: true, force: true })
  return true
}

/** What an interrupted process left half made. Nothing takes this long. */
const leftoverMs = 24 * 3_600_000

const removeLeftovers = async (workspaceRoot: string, now: Date): Promise<void> => {
  const temporary = join(workspaceRoot, 'temp')
  for (const name of await namesIn(temporary)) {
    const path = join(temporary, name)
    const stats = await stat(path).catch(() => undefined)
    if (stats !== undefined && now.getTime() - stats.mtimeMs > leftoverMs)
      await rm(path, { recursive: true, force: true })
  }
}
