/** Any events of one run, in a transaction of their own. */
import { TuttiError } from '@tutti/contracts'
import { heldRun } from '../claim/held-run.ts'
import { takeMessages } from '../commands/commands.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { insertRequests } from '../requests/requests.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { type Batch, freshEvents } from './fresh-events.ts'
import { type Projection, project } from './project.ts'
import { insertRows, logSteps } from './write-steps.ts'

/** @returns the highest number stored. @throws TuttiError RUN_NOT_FOUND, LEASE_LOST; EventGapError */
export const storeAlone = async (deps: WorkbenchDeps, runId: string, batch: Batch): Promise<number> => {
  const received = await changeSession(deps.database, { runId }, async (change) => {
    const run = await heldRun(change.tx, runId, batch)
    const { events, received } = freshEvents(run, batch)
    if (events.length === 0) return received
    const steered = events.flatMap(({ event }) => (event.type === 'steered' ? [event.id] : []))
    await write(deps, change, run, received, project(run.id, events, await takeMessages(change.tx, run, steered)))
    return received
  })
  if (received === undefined) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  return received
}

const write = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  run: RunRow,
  received: number,
  projection: Projection,
): Promise<void> => {
  const { tx, session } = change
  const { sdkSessionId, state, error, park } = projection
  const changesState = Object.keys(state).length > 0
  const [messages = []] = await insertRows(tx, [{ run, projection }])
  await insertRequests(change, run, projection.requests, deps.newId)
  await updateRun(tx, run, {
    received_n: received,
    // From here on the turn is over, whatever becomes of its manager: see `takeOver`.
    ...(park === null ? {} : { park, parks: run.parks + 1, workspace_export_status: null }),
    ...(sdkSessionId === null ? {} : { sdk_session_id: sdkSessionId }),
    ...(changesState ? { state_patch: { ...run.state_patch, ...state } } : {}),
    ...(error === null ? {} : { last_error: error }),
  })
  if (sdkSessionId !== null && sdkSessionId !== session.sdk_session_id) change.patch({ sdk_session_id: sdkSessionId })
  if (changesState) change.patch({ state_patch: { ...session.state_patch, ...state } })
  logSteps(change, run.id, projection, messages)
}
