import type { ExportReport } from '@tutti/contracts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'

/** What stands in object storage after the turn: the list replaces the one before, for the workspace is one. */
export const storeExport = async (change: SessionChange, run: RunRow, report: ExportReport): Promise<void> => {
  await updateRun(change.tx, run, { workspace_export_status: report.status })
  if (report.status === 'failed') {
    // The files of the turn before stay listed: they are what can still be fetched.
    change.patch({ workspace_export_status: 'failed' })
    change.log('workspace.export', { run_id: run.id, export_status: 'failed', error: storable(report.message) })
    return
  }
  const { prefix, manifest_key } = storable({ prefix: report.prefix, manifest_key: report.manifest_key })
  const files = new Map(report.files.map((file) => [file.path, storable({ ...file })]))
  await change.tx.query('delete from workbench.exported_files where session_id = $1', [change.session.id])
  await change.tx.query(
    `insert into workbench.exported_files (session_id, run_id, path, size, sha256, key)
     select $1, $2, file.path, file.size, file.sha256, file.key
     from jsonb_to_recordset($3::jsonb) as file (path text, size bigint, sha256 text, key text)`,
    [change.session.id, run.id, JSON.stringify([...files.values()])],
  )
  await updateRun(change.tx, run, { workspace_files_prefix: prefix, workspace_manifest_key: manifest_key })
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
    files: files.size,
  })
}
