/** Ending runs as a manager does: with a snapshot of the workspace in object storage. */
import {
  blobKey,
  type ClaimedRun,
  type FileNode,
  type PrivateManifest,
  sessionPrefix,
  type WorkspaceManifest,
} from '@tutti/contracts'
import { holder, type Running, type Stage } from './stage.ts'

export type Files = Record<string, string | Buffer>

/** @returns the key of the manifest that was stored */
export const endWithFiles = async (
  { objects }: Pick<Stage, 'objects'>,
  backend: Running,
  run: ClaimedRun,
  shown: Files,
  hidden: Files = {},
): Promise<string> => {
  const prefix = sessionPrefix(run.user_id, run.session_id)
  const base = `${prefix}/runs/${run.run_id}/1-test`
  const stored = (files: Files) =>
    Promise.all(
      Object.entries(files).map(async ([path, content]) => {
        const { sha256 } = await objects.put('scratch', content)
        const { key, size } = await objects.put(blobKey(prefix, sha256), content)
        return { path, key, size, sha256, mode: path.endsWith('.sh') ? 0o755 : 0o644 }
      }),
    )
  const files = (await stored(shown)).map((file) => ({
    ...file,
    ...{ mimeType: 'text/plain', status: 'uploaded' as const, last_modified: new Date(0).toISOString() },
  }))
  const manifest: WorkspaceManifest = {
    ...{ version: 1, generated_at: new Date().toISOString(), session_id: run.session_id, run_id: run.run_id },
    ...{ files, deleted: [], skipped: [], private_key: `${base}/private.json` },
  }
  const rest: PrivateManifest = { version: 1, files: await stored(hidden), links: [], folders: [] }
  await objects.put(manifest.private_key, JSON.stringify(rest))
  await objects.put(`${base}/manifest.json`, JSON.stringify(manifest))
  const report = { status: 'ready', prefix: `${prefix}/blobs`, manifest_key: `${base}/manifest.json`, files }
  const finished = await backend.manage(`/${run.run_id}/finish`, {
    ...holder(run),
    ...{ outcome: 'completed', export: report },
  })
  if (finished.status !== 200) throw new Error(`finish: ${JSON.stringify(finished.body)}`)
  return report.manifest_key
}

/** The files of a tree, in its order. */
export const filesIn = (nodes: FileNode[]): FileNode[] =>
  nodes.flatMap((node) => (node.type === 'file' ? [node] : filesIn(node.children ?? [])))
