/** What lies on this host: counted, and user by user. Nothing of a workspace itself is read. */
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostWorkspace, HostWorkspaces, WorkspaceStats } from '@tutti/contracts'
import type { AtWork } from '../claim/at-work.ts'
import { namesIn } from '../cleanup/archive.ts'
import { isInOtherHands } from '../cleanup/cleanup.ts'
import { readMeta } from '../stage/home.ts'
import { folderOfUser } from '../stage/paths.ts'

export interface LookDeps {
  workspaceRoot: string
  workerId: string
  atWork: Pick<AtWork, 'sessions'>
}

const ending = '.tar.gz'
/** Other names in these folders are not ours. */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export const workspaceStatsOf = async (deps: LookDeps): Promise<WorkspaceStats> => {
  const { workspaceRoot, workerId } = deps
  const [active, archived] = [
    await namesIn(join(workspaceRoot, 'active')),
    await namesIn(join(workspaceRoot, 'archive')),
  ]
  const workspaces = (await Promise.all(active.map((user) => workspacesIn(deps, user)))).flat()
  const archives = (await Promise.all(archived.map((user) => archivesIn(workspaceRoot, user)))).flat()
  const { bavail, blocks, bsize } = await statfs(workspaceRoot)
  const bytesOf = (all: readonly { size_bytes: number }[]): number => all.reduce((sum, one) => sum + one.size_bytes, 0)
  return {
    ...{ worker_id: workerId, users: active.length },
    ...{ workspaces: workspaces.length, workspace_bytes: bytesOf(workspaces) },
    in_use: workspaces.filter(({ in_use }) => in_use).length,
    ...{ archives: archives.length, archive_bytes: bytesOf(archives) },
    ...{ disk_free_bytes: bavail * bsize, disk_total_bytes: blocks * bsize },
  }
}

/** Empty lists for a user of whom nothing lies here. */
export const workspacesOf = async (deps: LookDeps, userId: string): Promise<HostWorkspaces> => {
  const user = folderOfUser(userId)
  return {
    user_id: userId,
    workspaces: await workspacesIn(deps, user),
    archives: await archivesIn(deps.workspaceRoot, user),
  }
}

const workspacesIn = async ({ workspaceRoot, atWork }: LookDeps, user: string): Promise<HostWorkspace[]> => {
  const folder = join(workspaceRoot, 'active', user)
  const here = new Set(atWork.sessions())
  const found: HostWorkspace[] = []
  for (const session_id of (await namesIn(folder)).filter((name) => uuid.test(name)).sort()) {
    const meta = await readMeta(join(folder, session_id))
    found.push({
      session_id,
      in_use: here.has(session_id) || isInOtherHands(meta),
      stored: meta !== null && !meta.changed && meta.stored_key !== null,
      ...{ size_bytes: meta?.size_bytes ?? 0, created_at: meta?.created_at ?? null },
      last_used_at: meta?.last_used_at ?? null,
    })
  }
  return found
}

const archivesIn = async (workspaceRoot: string, user: string): Promise<HostWorkspaces['archives']> => {
  const folder = join(workspaceRoot, 'archive', user)
  const found: HostWorkspaces['archives'] = []
  for (const day of (await namesIn(folder)).sort())
    for (const name of (await namesIn(join(folder, day))).sort()) {
      // One that expires while it is looked at.
      const stats = await stat(join(folder, day, name)).catch(() => undefined)
      if (stats !== undefined && name.endsWith(ending))
        found.push({ session_id: name.slice(0, -ending.length), day, size_bytes: stats.size })
    }
  return found
}
