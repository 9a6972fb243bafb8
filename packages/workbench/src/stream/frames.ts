/** The frames that readers of a session get: its state first, then lines of its log, then what is shown live. */
import type { JsonObject, SessionFrame } from '@tutti/contracts'
import type { LineType } from '../session/log.ts'
import { progressOf, type SessionRow } from '../session/rows.ts'

export interface LineRow {
  seq: number
  type: LineType
  data: JsonObject
  at: Date
}

export const lineFrame = (sessionId: string, row: LineRow): SessionFrame => ({
  type: row.type,
  session_id: sessionId,
  seq: row.seq,
  data: row.data,
  timestamp: row.at.toISOString(),
})

export const chunkFrame = (sessionId: string, seq: number, data: JsonObject): SessionFrame => ({
  type: 'message.chunk',
  session_id: sessionId,
  seq,
  data,
  timestamp: new Date().toISOString(),
})

/** A session as it is now; of an unknown one, or a stranger's, only that it was not found. */
export const snapshotFrame = (sessionId: string, session: SessionRow | undefined): SessionFrame => ({
  type: 'session.snapshot',
  session_id: sessionId,
  seq: session?.seq ?? 0,
  data: session
    ? {
        status: session.status,
        progress: progressOf(session),
        title: session.title,
        state_patch: session.state_patch,
        config_snapshot: session.config_snapshot,
        workspace_export_status: session.workspace_export_status,
        workspace_manifest_key: session.workspace_manifest_key,
        workspace_files_prefix: session.workspace_files_prefix,
        updated_at: session.updated_at.toISOString(),
      }
    : { status: 'not_found' },
  timestamp: new Date().toISOString(),
})

/** What waits for a person now. Made for one reader, so it repeats the number of the snapshot before it. */
export const requestsFrame = (sessionId: string, seq: number, requests: JsonObject[]): SessionFrame => ({
  type: 'user_input.update',
  session_id: sessionId,
  seq,
  data: { requests },
  timestamp: new Date().toISOString(),
})
