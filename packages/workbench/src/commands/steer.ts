/** Saying something to a session while its agent works. What nobody is there to hear becomes an ordinary message. */
import {
  type InterruptSession,
  type SessionInterrupted,
  type SteerAnswer,
  type steerSession,
  TuttiError,
} from '@tutti/contracts'
import type { z } from 'zod'
import { createTask } from '../create/create-task.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { notCurrent } from '../finish/cancel.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { openRuns } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { type CommandRow, commandOfRequest, insertCommand, openCommands } from './commands.ts'
import { once } from './once.ts'

/** Of messages that a run has not taken in yet; an agent that takes none is not helped by more. */
const mostOpen = 100

/**
 * POST /api/v1/sessions/{id}/messages/steer: the run that goes on hears it at its next step; without one it is a message
 * like any other. Which of the two is decided under the session's lock, so that none falls between.
 * @throws TuttiError SESSION_NOT_FOUND, TOO_MANY_COMMANDS
 */
export const steer = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  sent: z.output<typeof steerSession>,
): Promise<SteerAnswer> => {
  const { client_request_id: requestId } = sent
  const prompt = storable(sent.prompt)
  const answer = await changeSession(deps.database, { sessionId, userId }, async (change) => {
    const earlier = requestId === undefined ? undefined : await commandOfRequest(change.tx, sessionId, requestId)
    if (earlier) return steered(sessionId, earlier)
    const run = await runAtWork(change)
    // A repeated request whose first one found no run at work: it made a run of its own.
    if (!run || (requestId !== undefined && (await isRunsRequest(change.tx, userId, requestId)))) return null
    if ((await openCommands(change.tx, run.id)).length >= mostOpen)
      throw new TuttiError('TOO_MANY_COMMANDS', `Run ${run.id} has not taken in the last ${mostOpen} messages yet`)
    const command = { id: deps.newId(), type: 'message' as const, text: prompt, client_request_id: requestId ?? null }
    const row = await insertCommand(change.tx, run, command)
    change.alert(run.id)
    return steered(sessionId, row)
  })
  if (answer === undefined) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  if (answer !== null) return answer
  return createTask(deps, userId, {
    prompt,
    session_id: sessionId,
    permission_mode: 'default',
    ...(requestId === undefined ? {} : { client_request_id: requestId }),
  })
}

/**
 * POST /api/v1/sessions/{id}/interrupt: stops what the agent does now. The run ends, and the session's next message is
 * taken up: that is the difference from cancelling.
 * @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_CURRENT
 */
export const interrupt = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  { run_id, client_request_id: id }: InterruptSession,
): Promise<SessionInterrupted> => {
  const answer = await changeSession(deps.database, { sessionId, userId }, (change) =>
    once(change, { kind: 'interrupt', id }, async (): Promise<SessionInterrupted> => {
      const run = await runAtWork(change)
      if (run_id !== undefined && run?.id !== run_id) throw notCurrent(run_id)
      if (!run) return { session_id: sessionId, run_id: null }
      const open = await openCommands(change.tx, run.id)
      if (!open.some(({ type }) => type === 'interrupt')) {
        const command = { id: deps.newId(), type: 'interrupt' as const, text: null, client_request_id: null }
        await insertCommand(change.tx, run, command)
        change.alert(run.id)
      }
      return { session_id: sessionId, run_id: run.id }
    }),
  )
  if (!answer) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return answer
}

/** The one that a manager holds; one that is being cancelled hears nothing any more. */
const runAtWork = async ({ tx, session }: SessionChange): Promise<RunRow | undefined> =>
  (await openRuns(tx, session.id)).find(({ status }) => status === 'claimed' || status === 'running')

const isRunsRequest = async (tx: Queryable, userId: string, requestId: string): Promise<boolean> => {
  const rows = await tx.query('select 1 from workbench.runs where user_id = $1 and client_request_id = $2', [
    userId,
    requestId,
  ])
  return rows.length > 0
}

const steered = (sessionId: string, { id, run_id, overtaken }: CommandRow): SteerAnswer => ({
  session_id: sessionId,
  accepted_type: 'command',
  // An overtaken one has become the run of its own id.
  run_id: overtaken ? id : run_id,
  command_id: id,
})
