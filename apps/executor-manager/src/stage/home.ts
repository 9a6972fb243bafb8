/**
 * A session's place on the host: WORKSPACE_ROOT/active/{user}/{session}/. Its `workspace` is what the sandbox sees; what
 * stands beside it belongs to the manager alone.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { turn } from '@tutti/contracts'
import { finishBinding } from '@tutti/sandbox'
import { z } from 'zod'
import { errnoOf } from '../fault.ts'
import { folderOfUser } from './paths.ts'

export interface Home {
  userId: string
  sessionId: string
  folder: string
  workspace: string
  logs: string
  /** One mark per run whose files lie in the workspace. */
  staged: string
  /** Hashes of the workspace's files, see `KnownFiles`. */
  known: string
}

const meta = z.object({
  session_id: z.string(),
  user_id: z.string(),
  /** The run that was here last. */
  task_id: z.string(),
  created_at: z.string(),
  last_used_at: z.string(),
  /** `active`: a run is at work here, or was when its manager died. */
  status: z.enum(['active', 'idle']),
  /** Process of the manager that used it last. */
  pid: z.int(),
  workspace_path: z.string(),
  size_bytes: z.int().nonnegative(),
  /** The snapshot that the files descend from; null before the first. */
  base_key: z.string().nullable(),
  /** The newest snapshot that was made here; it becomes the base when the backend names it. */
  stored_key: z.string().nullable(),
  /** Whether the files may differ from that snapshot. */
  changed: z.boolean(),
})
export type Meta = z.infer<typeof meta>

export const homeOf = (workspaceRoot: string, userId: string, sessionId: string): Home => {
  const folder = join(workspaceRoot, 'active', folderOfUser(userId), turn.shape.session_id.parse(sessionId))
  return {
    ...{ userId, sessionId, folder, workspace: join(folder, 'workspace'), logs: join(folder, 'logs') },
    ...{ staged: join(folder, 'staged'), known: join(folder, 'known.json') },
  }
}

/** Nobody else on the host has business in the sessions' folders; sandboxes get theirs mounted. */
export const makeHome = async (home: Home): Promise<void> => {
  // A manager that was killed at it left some of the files beside the workspace.
  await finishBinding(home.workspace)
  for (const folder of [home.staged, home.logs, home.workspace]) await mkdir(folder, { recursive: true, mode: 0o700 })
}

/** Null where there is none, or none that can be read: such a workspace counts as made by nobody. */
export const readMeta = async (folder: string): Promise<Meta | null> => {
  try {
    return meta.parse(JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return null
    throw error
  }
}

/** Changes what is written down about a session's place; makes it where it is missing. */
export const noteMeta = async (home: Home, runId: string, change: Partial<Meta>): Promise<Meta> => {
  const now = new Date().toISOString()
  const before = await readMeta(home.folder)
  const after: Meta = {
    ...(before ?? {
      ...{ session_id: home.sessionId, user_id: home.userId, created_at: now, status: 'idle' as const },
      ...{
        workspace_path: home.workspace,
        pid: process.pid,
        size_bytes: 0,
        base_key: null,
        stored_key: null,
        changed: true,
      },
    }),
    ...{ task_id: runId, last_used_at: now, pid: process.pid },
    ...change,
  }
  await writeWhole(join(home.folder, 'meta.json'), JSON.stringify(after))
  return after
}

/** A reader sees the old text or the new one. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path)
}
