/** A turn taken again: with another answer (regenerate), or with other words (edit). All that came after it is taken back. */
import {
  type editMessage,
  type JsonObject,
  type regenerate as regenerateSchema,
  type TaskConfig,
  type TaskCreated,
  TuttiError,
} from '@tutti/contracts'
import type { z } from 'zod'
import { answered, once } from '../commands/once.ts'
import { ensureJobsSoon } from '../create/ensure-jobs.ts'
import { insertRun } from '../create/insert-run.ts'
import { lasting } from '../create/merge-config.ts'
import { started } from '../create/task-answer.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { settle } from '../finish/settle.ts'
import { readSession } from '../read/sessions.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { promptMessage } from '../session/messages.ts'
import type { MessageRow, RunRow } from '../session/rows.ts'
import { storable } from '../session/storable.ts'
import { goBackTo, rewoundFor } from './go-back.ts'
import { refuseUnlessAtRest, runOfMessage } from './turn.ts'

type Model = { model?: string | null | undefined; model_provider_id?: string | null | undefined }

/** @throws TuttiError SESSION_NOT_FOUND, MESSAGE_NOT_FOUND, INVALID_BODY, SESSION_BUSY, SESSION_CANCELING, QUEUE_NOT_EMPTY */
export const regenerate = (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  request: z.output<typeof regenerateSchema>,
): Promise<TaskCreated> =>
  again(deps, userId, sessionId, 'regenerate', request, async (change, run, message) => {
    const path = 'body.assistant_message_id'
    const answered = await runOfMessage(change.tx, sessionId, request.assistant_message_id, path)
    if (answered.id !== run.id || request.assistant_message_id <= message.id)
      throw new TuttiError('INVALID_BODY', `${path}: it does not answer the user’s message`, { path })
    return { prompt: run.prompt, message }
  })

/** @throws as {@link regenerate} */
export const editAndRegenerate = (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  request: z.output<typeof editMessage>,
): Promise<TaskCreated> =>
  again(deps, userId, sessionId, 'edit', request, async (change, _, message) => {
    const prompt = storable(request.content)
    const { content, text_preview, words } = promptMessage(prompt)
    const [edited] = await change.tx.query<MessageRow>(
      `update workbench.messages
       set content = $2, text_preview = $3, search = to_tsvector('simple', $4), updated_at = now()
       where id = $1 returning id, role, content, text_preview, created_at, updated_at`,
      [message.id, content, text_preview, words],
    )
    return { prompt, message: edited ?? message, forget: true }
  })

interface Turn {
  prompt: string
  message: MessageRow
  /** The agent must not remember the words that were said before. */
  forget?: true
}

type Request = Model & { user_message_id: number; client_request_id?: string | undefined }
type Prepare = (change: SessionChange, run: RunRow, message: MessageRow) => Promise<Turn>

/** How often somebody else may store a snapshot of the session meanwhile. */
const mostTries = 5

const again = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  kind: 'regenerate' | 'edit',
  request: Request,
  prepare: Prepare,
): Promise<TaskCreated> => {
  await tellOfEnded(deps, sessionId)
  const sent = { kind, id: request.client_request_id } as const
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const { workspace_manifest_key: current } = await readSession(deps.database, userId, sessionId)
    const earlier = await answered<TaskCreated>(deps.database, sessionId, sent)
    if (earlier) return earlier
    const rewound = await rewoundFor(deps, userId, sessionId, request.user_message_id, current)
    const answer = await changeSession(deps.database, { sessionId, userId }, async (change) => {
      // Also where it is a repetition that came at the same moment: then there is an answer at the next look.
      if (change.session.workspace_manifest_key !== current) return null
      return once(change, sent, () => takeAgain(deps, change, request, prepare, rewound))
    })
    if (answer === undefined) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
    if (answer === null) continue
    await ensureJobsSoon(deps, sessionId)
    return answer
  }
  throw new TuttiError('SESSION_BUSY', 'The session’s files keep changing')
}

const takeAgain = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  request: Request,
  prepare: Prepare,
  rewound: string | null,
): Promise<TaskCreated> => {
  await refuseUnlessAtRest(change)
  const { run, message } = await humanMessage(change, request.user_message_id)
  const turn = await prepare(change, run, message)
  await goBackTo(change, run, { rewound, forget: turn.forget === true })
  await takeBack(change, run)
  const config = withModel(run.config, request)
  change.patch({ config_snapshot: lasting(config) as JsonObject })
  const id = deps.newId()
  await change.tx.query('update workbench.messages set run_id = $2 where id = $1', [message.id, id])
  return started(
    change,
    await insertRun(change, {
      id,
      jobId: id,
      taskId: null,
      clientRequestId: null,
      prompt: turn.prompt,
      permissionMode: run.permission_mode,
      config,
      attended: run.attended,
      message: turn.message,
    }),
  )
}

/** What the engine does not know of an ended run, it could not be told once the row is gone. */
const tellOfEnded = async (deps: WorkbenchDeps, sessionId: string): Promise<void> => {
  const runs = await deps.database.query<{ id: string }>(
    `select id from workbench.runs
     where session_id = $1 and reported_at is null and status in ('completed', 'failed', 'canceled')`,
    [sessionId],
  )
  for (const { id } of runs) await settle(deps, id)
}

const humanMessage = async (
  { tx, session }: SessionChange,
  id: number,
): Promise<{ run: RunRow; message: MessageRow }> => {
  const path = 'body.user_message_id'
  const run = await runOfMessage(tx, session.id, id, path)
  if (run.user_message_id !== id)
    throw new TuttiError('INVALID_BODY', `${path}: it is not a message of the user`, { path })
  const [message] = await tx.query<MessageRow>(
    'select id, role, content, text_preview, created_at, updated_at from workbench.messages where id = $1',
    [id],
  )
  if (!message) throw new TuttiError('MESSAGE_NOT_FOUND', 'Message not found in this session', { path })
  return { run, message }
}

/** Removes the turn and all after it. A manager that still holds such a run is told that there is none: its writes find no row. */
const takeBack = async (change: SessionChange, run: RunRow): Promise<void> => {
  const { tx, session } = change
  const gone = await tx.query<{ id: number }>(
    'delete from workbench.messages where session_id = $1 and id > $2 returning id',
    [session.id, run.user_message_id],
  )
  const runs = await tx.query<{ id: string }>(
    'delete from workbench.runs where session_id = $1 and user_message_id >= $2 returning id',
    [session.id, run.user_message_id],
  )
  change.log('messages.removed', {
    after_message_id: run.user_message_id,
    messages: gone.length,
    run_ids: runs.map(({ id }) => id),
  })
}

const withModel = (config: TaskConfig, { model, model_provider_id }: Model): TaskConfig => ({
  ...config,
  ...(model ? { model } : {}),
  ...(model_provider_id ? { model_provider_id } : {}),
})
