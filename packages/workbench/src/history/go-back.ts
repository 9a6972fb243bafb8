/** Where a turn that is taken again begins: with which files, and with what its agent knew then. */
import type { WorkbenchDeps } from '../deps.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { compose, isComposed } from '../snapshots/compose.ts'

/**
 * Somebody who sets the files back, and then has a turn taken again, wants it taken with those files: the rewind was the last word on
 * them. The agent's memory goes back with the conversation all the same.
 * @param current the session's snapshot
 * @returns the key of a snapshot that is both; null where no rewind came after the turn
 * @throws TuttiError SNAPSHOT_NOT_FOUND
 */
export const rewoundFor = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  userMessageId: number,
  current: string | null,
): Promise<string | null> => {
  if (current === null || !isComposed(current)) return null
  const [run] = await deps.database.query<Pick<RunRow, 'attempt' | 'base_manifest_key'>>(
    'select attempt, base_manifest_key from workbench.runs where session_id = $1 and user_message_id = $2',
    [sessionId, userMessageId],
  )
  if (run === undefined) return null
  // It began with them already, or nobody has begun it: files and memory are together as they are.
  if (run.base_manifest_key === current || run.attempt === 0) return current
  const composed = await compose(deps, userId, sessionId, {
    ...{ files: current, memory: run.base_manifest_key, shown: current },
  })
  return composed.key
}

/**
 * Back to the snapshot that the turn began with, or to `rewound`. The conversation is that of the newest run before it which left a
 * snapshot: one that was cancelled, or that failed, may have left none, and what it did is lost to the session either way. Without any
 * snapshot the files stay as they are; so does what the agent remembers, unless the words themselves were changed.
 * @param forget the agent must not remember the words that were said before
 */
export const goBackTo = async (
  change: SessionChange,
  run: RunRow,
  { rewound, forget }: { rewound: string | null; forget: boolean },
): Promise<void> => {
  const [before] = await change.tx.query<RunRow>(
    `select * from workbench.runs where session_id = $1 and user_message_id < $2
     order by (workspace_manifest_key is not null) desc, user_message_id desc limit 1`,
    [change.session.id, run.user_message_id],
  )
  const workspace_manifest_key = rewound ?? run.base_manifest_key ?? before?.workspace_manifest_key
  if (before?.workspace_manifest_key) {
    const { sdk_session_id, workspace_files_prefix, state_patch } = before
    change.patch({ sdk_session_id, workspace_files_prefix, state_patch })
  } else if (forget || before === undefined) change.patch({ sdk_session_id: null, state_patch: {} })
  if (!workspace_manifest_key) return
  const export_status = 'ready'
  change.patch({ workspace_manifest_key, workspace_export_status: export_status })
  // Readers still show the files of the turn that is taken back.
  const { workspace_files_prefix } = change.session
  change.log('workspace.export', {
    ...(before === undefined ? {} : { run_id: before.id }),
    ...{ export_status, workspace_manifest_key, workspace_files_prefix },
    ...(rewound === null ? {} : { rewound: true }),
  })
}
