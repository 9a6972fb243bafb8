/** POST /api/v1/sessions/{id}/branch: a session of its own that goes on from the end of a turn of another one. */
import { type BranchSession, type JsonObject, type SessionBranched, TuttiError } from '@tutti/contracts'
import { once } from '../commands/once.ts'
import { insertSession } from '../create/insert-session.ts'
import { lasting } from '../create/merge-config.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { changeSession, commitChange, type SessionChange } from '../session/change-session.ts'
import { hasEnded, type RunRow, type SessionRow } from '../session/rows.ts'
import { openRuns } from '../session/runs.ts'
import { runOfMessage } from './turn.ts'

/**
 * Copies whole turns: a conversation that stops between a tool's call and its result could not be gone on with. The branch has
 * the files and the agent's memory as the turn left them, by the turn's snapshot, whose content nobody changes; where the turn stored
 * none, the agent begins without them, and the answer says so.
 * @throws TuttiError SESSION_NOT_FOUND, MESSAGE_NOT_FOUND; SESSION_BUSY while that turn, or one before it, goes on
 */
export const branchSession = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  { message_id: messageId, client_request_id: id }: BranchSession,
): Promise<SessionBranched> => {
  const branched = await changeSession(deps.database, { sessionId, userId }, (change) =>
    once(change, { kind: 'branch', id }, () => branch(deps, change, userId, messageId)),
  )
  if (!branched) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return branched
}

const branch = async (
  deps: WorkbenchDeps,
  { tx, session }: SessionChange,
  userId: string,
  messageId: number,
): Promise<SessionBranched> => {
  const sessionId = session.id
  const run = await runOfMessage(tx, sessionId, messageId, 'body.message_id')
  if (!hasEnded(run.status)) throw new TuttiError('SESSION_BUSY', 'The turn of this message has not ended')
  // A turn in the middle would be missing, and its answer with it.
  const open = await openRuns(tx, sessionId)
  if (open.some((one) => one.user_message_id < run.user_message_id && one.status !== 'queued'))
    throw new TuttiError('SESSION_BUSY', 'A turn before this message has not ended')
  const cutoff = await lastMessage(tx, sessionId, run)
  const copy = await insertSession(tx, {
    id: deps.newId(),
    userId,
    prompt: session.title ?? run.prompt,
    projectId: session.project_id,
    origin: session.origin,
  })
  await copyHistory(deps, tx, session, copy, cutoff)
  const hasSnapshot = run.workspace_manifest_key !== null
  await commitChange(tx, copy, async (change) => {
    change.patch({
      config_snapshot: lasting(run.config) as JsonObject,
      state_patch: run.state_patch,
      status: 'completed',
      ancestors: [session.id, ...session.ancestors],
      ...(session.title === null ? {} : { title: session.title }),
      ...(hasSnapshot
        ? {
            sdk_session_id: run.sdk_session_id,
            workspace_manifest_key: run.workspace_manifest_key,
            workspace_files_prefix: run.workspace_files_prefix,
            workspace_export_status: 'ready' as const,
          }
        : {}),
    })
    change.log('session.status', { status: 'completed', progress: 100, branched_from: sessionId })
  })
  return {
    session_id: copy.id,
    source_session_id: sessionId,
    cutoff_message_id: cutoff,
    agent_memory: hasSnapshot && run.sdk_session_id !== null,
    workspace: hasSnapshot,
  }
}

const lastMessage = async (tx: Queryable, sessionId: string, run: RunRow): Promise<number> => {
  const [row] = await tx.query<{ id: number }>(
    'select max(id) as id from workbench.messages where session_id = $1 and run_id = $2',
    [sessionId, run.id],
  )
  return row?.id ?? run.user_message_id
}

const copyHistory = async (
  deps: WorkbenchDeps,
  tx: Queryable,
  source: SessionRow,
  copy: SessionRow,
  cutoff: number,
): Promise<void> => {
  const runs = await tx.query<Pick<RunRow, 'id' | 'user_message_id'>>(
    `select id, user_message_id from workbench.runs
     where session_id = $1 and user_message_id <= $2 and status in ('completed', 'failed', 'canceled')
     order by user_message_id`,
    [source.id, cutoff],
  )
  const old = runs.map(({ id }) => id)
  const fresh = runs.map(() => deps.newId())
  const messages = await copyMessages(tx, source.id, copy.id, cutoff, old, fresh)
  await tx.query(
    `insert into workbench.runs
       (id, session_id, user_id, user_message_id, prompt, permission_mode, config, schedule_mode, scheduled_at, status,
        job_id, job_created_at, attempt, attended, parks, claimed_by, outcome, reported_at, last_error, model, sandbox,
        copied_from, copied_from_session, state_patch, workspace_export_status, sdk_session_id, workspace_files_prefix, workspace_manifest_key,
        base_manifest_key, check_at, created_at, started_at, finished_at)
     select new.id, $2, user_id, new.message, prompt, permission_mode, config, schedule_mode, scheduled_at, status,
        new.id, job_created_at, attempt, attended, parks, claimed_by, outcome, coalesce(reported_at, now()), last_error, model,
        sandbox, coalesce(r.copied_from, r.id), coalesce(r.copied_from_session, r.session_id), state_patch, workspace_export_status, sdk_session_id, workspace_files_prefix,
        workspace_manifest_key, base_manifest_key, null, created_at,
        started_at, finished_at
     from workbench.runs r join unnest($3::uuid[], $4::uuid[], $5::bigint[]) as new (old, id, message) on new.old = r.id
     where r.session_id = $1`,
    [source.id, copy.id, old, fresh, runs.map(({ user_message_id }) => messages.get(user_message_id))],
  )
  await tx.query(
    `insert into workbench.tool_executions
       (session_id, run_id, attempt, tool_use_id, tool_name, tool_input, tool_output, is_error, duration_ms, finished,
        created_at, updated_at)
     select $1, new.id, attempt, tool_use_id, tool_name, tool_input, tool_output, is_error, duration_ms, finished, created_at,
        clock_timestamp()
     from workbench.tool_executions t join unnest($2::uuid[], $3::uuid[]) as new (old, id) on new.old = t.run_id`,
    [copy.id, old, fresh],
  )
}

/** In their order, so that their new ids rise as the old ones did. @returns the new id of each old one */
const copyMessages = async (
  tx: Queryable,
  from: string,
  to: string,
  cutoff: number,
  old: string[],
  fresh: string[],
): Promise<Map<number, number>> => {
  const copied = `from workbench.messages m join unnest($3::uuid[], $4::uuid[]) as new (old, id) on new.old = m.run_id
    where m.session_id = $1 and m.id <= $2`
  const before = await tx.query<{ id: number }>(`select m.id ${copied} order by m.id`, [from, cutoff, old, fresh])
  const after = await tx.query<{ id: number }>(
    `insert into workbench.messages (session_id, run_id, role, content, text_preview, search, created_at, updated_at)
     select $5, new.id, role, content, text_preview, search, created_at, updated_at ${copied} order by m.id returning id`,
    [from, cutoff, old, fresh, to],
  )
  const ids = after.map(({ id }) => id).sort((a, b) => a - b)
  return new Map(before.map(({ id }, at) => [id, ids[at] ?? 0]))
}
