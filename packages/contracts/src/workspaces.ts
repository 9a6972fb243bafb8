/**
 * Workspaces in object storage: below `workspaces/{user}/{session}/` every content lies once, under its hash, and every
 * run has a manifest that names what the workspace held. Nothing that a manifest names is ever overwritten.
 */
import { z } from 'zod'
import { clientRequestId } from './tasks.ts'

/**
 * The name of a user's folder, on disks and in keys. Different users have different ones, whatever their ids are (mail
 * addresses, names in any script), and none can lead elsewhere: other characters than letters, digits and `_@+-.` are
 * percent-encoded, and so is a dot at the beginning.
 * @throws RangeError for an id that is empty, too long, or not valid Unicode
 */
export const userFolder = (userId: string): string => {
  if (!userId.isWellFormed()) throw new RangeError('The user id is not valid Unicode')
  const bytes = [...new TextEncoder().encode(userId)]
  const folder = bytes
    .map((byte, at) => {
      const character = String.fromCharCode(byte)
      const plain = byte < 128 && (at === 0 ? /[A-Za-z0-9_@+-]/ : /[A-Za-z0-9_@+.-]/).test(character)
      return plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
  if (folder === '' || folder.length > 200) throw new RangeError('The user id is empty or too long')
  return folder
}

/** What all keys of a user's workspaces begin with. */
export const userWorkspaces = (userId: string): string => `workspaces/${userFolder(userId)}/`

/** What all keys of a session's workspace begin with; no slash at the end. */
export const sessionPrefix = (userId: string, sessionId: string): string => `${userWorkspaces(userId)}${sessionId}`

export const blobKey = (prefix: string, sha256: string): string => `${prefix}/blobs/${sha256}`

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const storedFile = z.object({
  /** From the workspace, with slashes. */
  path: z.string().min(1),
  key: z.string().min(1),
  size: z.int().nonnegative(),
  sha256,
  /** 0o755 for what can be executed, else 0o644. */
  mode: z.int(),
})
export type StoredFile = z.infer<typeof storedFile>

export const manifestFile = storedFile.extend({
  mimeType: z.string(),
  status: z.literal('uploaded'),
  last_modified: z.string(),
})
export type ManifestFile = z.infer<typeof manifestFile>

/** What people see of a workspace after a run. */
export const workspaceManifest = z.object({
  version: z.literal(1),
  generated_at: z.string(),
  session_id: z.uuid(),
  run_id: z.uuid(),
  files: z.array(manifestFile),
  /** Paths of the manifest before that are no longer there. */
  deleted: z.array(z.string()),
  /** What could not be kept, and why: a name that is not UTF-8, a size above the limit, a content that never stood still. */
  skipped: z.array(z.object({ path: z.string(), reason: z.enum(['name', 'size', 'changing']) })),
  /** Of the `PrivateManifest` that belongs to it. */
  private_key: z.string().min(1),
})
export type WorkspaceManifest = z.infer<typeof workspaceManifest>

/** What a workspace needs beside that to go on elsewhere: dot files, git's folder, the agent's memory. Shown to nobody. */
export const privateManifest = z.object({
  version: z.literal(1),
  files: z.array(storedFile),
  links: z.array(z.object({ path: z.string().min(1), target: z.string() })),
  /** Folders with nothing in them: git takes a repository without `refs/` for none. */
  folders: z.array(z.string().min(1)),
})
export type PrivateManifest = z.infer<typeof privateManifest>

/** POST /api/v1/sessions/{id}/rewind: the session's next run finds the files as that run left them. */
export const rewindSession = z.object({ run_id: z.uuid(), client_request_id: clientRequestId.optional() })
export type RewindSession = z.input<typeof rewindSession>
export const sessionRewound = z.object({
  session_id: z.uuid(),
  run_id: z.uuid(),
  workspace_manifest_key: z.string(),
  files: z.int().nonnegative(),
})
export type SessionRewound = z.infer<typeof sessionRewound>

export const fileDifference = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed']),
  /** Of a renamed file: where it was. */
  old_path: z.string().nullable(),
  old_size: z.int().nonnegative().nullable(),
  new_size: z.int().nonnegative().nullable(),
  /** Null where there is no diff. */
  added_lines: z.int().nonnegative().nullable(),
  deleted_lines: z.int().nonnegative().nullable(),
  /** Unified; null where a side is binary or too large, or the answer has enough of them already. */
  diff: z.string().nullable(),
})
export type FileDifference = z.infer<typeof fileDifference>

/** GET /api/v1/runs/{id}/compare/{other}: from the workspace of the first run to that of the second. */
export const runComparison = z.object({
  run_id: z.uuid(),
  other_run_id: z.uuid(),
  total_added_lines: z.int().nonnegative(),
  total_deleted_lines: z.int().nonnegative(),
  /** By path. */
  files: z.array(fileDifference),
})
export type RunComparison = z.infer<typeof runComparison>
