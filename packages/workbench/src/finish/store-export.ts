import type { ExportReport } from '@tutti/contracts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'

/** What stands in object storage after the turn. Its files are listed nowhere but in the manifest that is named here. */
export const storeExport = async (change: SessionChange, run: RunRow, report: ExportReport): Promise<void> => {
  await updateRun(change.tx, run, {
    workspace_export_status: report.status,
    ...(report.status === 'ready' ? { workspace_manifest_key: storable(report.manifest_key) } : {}),
  })
  if (report.status === 'failed') {
    // The snapshot of the turn before stays the session's: its files are what can still be fetched.
    change.patch({ workspace_export_status: 'failed' })
    change.log('workspace.export', { run_id: run.id, export_status: 'failed', error: storable(report.message) })
    return
  }
  const { prefix, manifest_key } = storable({ prefix: report.prefix, manifest_key: report.manifest_key })
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
    files: report.files.length,
  })
}
