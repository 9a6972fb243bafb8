import type { ExportedFile, ExportReport } from '@tutti/contracts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'

/** What stands in object storage after the turn: the list replaces the one before, for the workspace is one. */
export const storeExport = async (change: SessionChange, run: RunRow, report: ExportReport): Promise<void> => {
  await updateRun(change.tx, run, {
    workspace_export_status: report.status,
    ...(report.status === 'ready' ? { workspace_manifest_key: storable(report.manifest_key) } : {}),
  })
  if (report.status === 'failed') {
    // The files of the turn before stay listed: they are what can still be fetched.
    change.patch({ workspace_export_status: 'failed' })
    change.log('workspace.export', { run_id: run.id, export_status: 'failed', error: storable(report.message) })
    return
  }
  const { prefix, manifest_key } = storable({ prefix: report.prefix, manifest_key: report.manifest_key })
  const files = await replaceFiles(change, run.id, report.files)
  await updateRun(change.tx, run, { workspace_files_prefix: prefix })
  change.patch({
    workspace_export_status: 'ready',
    workspace_files_prefix: prefix,
    workspace_manifest_key: manifest_key,
  })
  change.log('workspace.export', {
    run_id: run.id,
    export_status: 'ready',
    workspace_files_prefix: prefix,
    workspace_manifest_key: manifest_key,
    files,
  })
}

/** Makes these the session's files, writing only what differs; answers how many they are. */
export const replaceFiles = async (
  change: SessionChange,
  runId: string,
  given: readonly ExportedFile[],
): Promise<number> => {
  const files = new Map(
    given.map(({ path, size, sha256, key }) => [path, storable({ path, size, sha256, key })] as const),
  )
  await change.tx.query(
    `with files as (
       select * from jsonb_to_recordset($3::jsonb) as file (path text, size bigint, sha256 text, key text)
     ), gone as (
       delete from workbench.exported_files old
       where session_id = $1 and not exists (select from files where files.path = old.path)
     )
     insert into workbench.exported_files as old (session_id, run_id, path, size, sha256, key)
     select $1, $2, path, size, sha256, key from files
     on conflict (session_id, path) do update
     set run_id = excluded.run_id, size = excluded.size, sha256 = excluded.sha256, key = excluded.key
     where (old.sha256, old.key) is distinct from (excluded.sha256, excluded.key)`,
    [change.session.id, runId, JSON.stringify([...files.values()])],
  )
  return files.size
}
