/** Workspaces as they lie on the host of one executor manager: what an operator sees of them, and does with them. */
import { z } from 'zod'
import { instant } from './json.ts'

/** GET /api/v1/workspace/stats. Sizes are in bytes, those of workspaces as they were at their last snapshot. */
export const workspaceStats = z.object({
  worker_id: z.string(),
  users: z.int().nonnegative(),
  workspaces: z.int().nonnegative(),
  workspace_bytes: z.int().nonnegative(),
  /** In which a run is at work. */
  in_use: z.int().nonnegative(),
  archives: z.int().nonnegative(),
  archive_bytes: z.int().nonnegative(),
  disk_free_bytes: z.int().nonnegative(),
  disk_total_bytes: z.int().nonnegative(),
})
export type WorkspaceStats = z.infer<typeof workspaceStats>

export const hostWorkspace = z.object({
  session_id: z.uuid(),
  /** A run is at work in it, here or under another manager of this host. */
  in_use: z.boolean(),
  /** Whether object storage has all of it. */
  stored: z.boolean(),
  size_bytes: z.int().nonnegative(),
  /** Null where nothing is written down of it. */
  created_at: instant.nullable(),
  last_used_at: instant.nullable(),
})
export type HostWorkspace = z.infer<typeof hostWorkspace>

/** GET /api/v1/workspace/users/{user} */
export const hostWorkspaces = z.object({
  user_id: z.string(),
  workspaces: z.array(hostWorkspace),
  archives: z.array(z.object({ session_id: z.string(), day: z.string(), size_bytes: z.int().nonnegative() })),
})
export type HostWorkspaces = z.infer<typeof hostWorkspaces>

/** POST /api/v1/workspace/archive/{user}/{session}. `path` is below WORKSPACE_ROOT; the workspace itself stays. */
export const workspaceArchived = z.object({ session_id: z.uuid(), path: z.string(), size_bytes: z.int().nonnegative() })
export type WorkspaceArchived = z.infer<typeof workspaceArchived>

/** DELETE /api/v1/workspace/{user}/{session} */
export const workspaceRemoved = z.object({ session_id: z.uuid(), cancelled_runs: z.int().nonnegative() })
export type WorkspaceRemoved = z.infer<typeof workspaceRemoved>

/** GET /api/v1/workspace/files/{user}/{session}: as they are now, also while a run is at work in them. */
export const liveFiles = z.object({
  files: z.array(z.object({ path: z.string(), size: z.int().nonnegative(), modified_at: instant })),
  /** There are more. */
  truncated: z.boolean(),
})
export type LiveFiles = z.infer<typeof liveFiles>
