import type { PermissionMode, TaskConfig } from '@tutti/contracts'
import type { SessionChange } from '../session/change-session.ts'
import { insertMessage, logMessage, promptMessage } from '../session/messages.ts'
import type { MessageRow, RunRow } from '../session/rows.ts'
import { logStatus } from '../session/runs.ts'
import type { Schedule } from './schedule.ts'

/** A scheduled task that sends a message, in the place of a person. */
export interface SentBy {
  scheduledTaskId: string
  attended: boolean
}

export interface NewRun {
  id: string
  jobId: string
  /** The job that wanted an agent, where the run's own job is its child. */
  askedBy?: string | null
  /** The engine's task that the run is made for; null when the run's own job is still to be made. */
  taskId: string | null
  clientRequestId: string | null
  prompt: string
  permissionMode: PermissionMode
  config: TaskConfig
  /** Whether its agent may ask a person. */
  attended: boolean
  schedule?: Schedule
  scheduledTaskId?: string | null
  /** The message that asks for it, where it is there already: its turn is taken again. */
  message?: MessageRow
}

/** Writes a queued run with the message that asks for it, and tells the session's log of both. */
export const insertRun = async (change: SessionChange, run: NewRun): Promise<RunRow> => {
  const { tx, session } = change
  const message =
    run.message ?? (await insertMessage(tx, { session_id: session.id, run_id: run.id, ...promptMessage(run.prompt) }))
  const [row] = await tx.query<RunRow>(
    `insert into workbench.runs
       (id, session_id, user_id, user_message_id, client_request_id, prompt, permission_mode, config, status, job_id,
        task_id, job_created_at, schedule_mode, scheduled_at, attended, asked_by, scheduled_task_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, case when $10::text is null then null else now() end, $11,
             coalesce(to_timestamp($12::float8 / 1000), now()), $13, $14, $15)
     returning *`,
    [
      run.id,
      session.id,
      session.user_id,
      message.id,
      run.clientRequestId,
      run.prompt,
      run.permissionMode,
      run.config,
      run.jobId,
      run.taskId,
      run.schedule?.mode ?? 'immediate',
      run.schedule?.at ?? null,
      run.attended,
      run.askedBy ?? null,
      run.scheduledTaskId ?? null,
    ],
  )
  if (!row) throw new Error('PostgreSQL did not answer the run that it stored')
  logMessage(change, run.id, message)
  await logStatus(change, row, 'pending')
  return row
}
