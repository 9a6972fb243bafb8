/**
 * POST /api/v1/runs/{id}/events: one transaction per batch. The lease's token fences late holders; the events' numbers
 * make a repeated batch harmless and a lost one visible.
 */
import { type runEvents, type runEventsAnswer, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import { heldRun } from '../claim/held-run.ts'
import { takeMessages } from '../commands/commands.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { insertRequests } from '../requests/requests.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { insertMessages, logMessage } from '../session/messages.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow } from '../session/rows.ts'
import { updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { storeToolResults, upsertToolCalls } from '../session/tool-executions.ts'
import { recordUsage } from '../session/usage.ts'
import { type Projection, project } from './project.ts'

type Batch = z.output<typeof runEvents>

/** A gap in the numbers: nothing was stored. The manager still holds the run, and goes on from `expected`. */
export class EventGapError extends Error {
  override readonly name = 'EventGapError'
  readonly expected: number

  constructor(expected: number, got: number) {
    super(`event ${expected} is missing: the next one sent is ${got}`)
    this.expected = expected
  }
}

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST; EventGapError */
export const storeEvents = async (
  deps: WorkbenchDeps,
  runId: string,
  batch: Batch,
): Promise<z.output<typeof runEventsAnswer>> => {
  const received = await changeSession(deps.database, { runId }, async (change) => {
    const run = await heldRun(change.tx, runId, batch)
    if (run.attempt !== batch.attempt)
      throw new TuttiError('LEASE_LOST', `Run ${runId} is in attempt ${run.attempt}, not ${batch.attempt}`)
    const fresh = inOrder(run.received_n, batch.events)
    const last = fresh.at(-1)
    if (!last) return run.received_n
    const events = storable(plainJson(fresh)) as unknown as typeof fresh
    const steered = await takeMessages(change.tx, run, steeredIn(events))
    await write(deps, change, run, last.n, project(run.id, events, steered))
    return last.n
  })
  if (received === undefined) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  return { received }
}

const steeredIn = (events: Batch['events']): string[] =>
  events.flatMap(({ event }) => (event.type === 'steered' ? [event.id] : []))

/** The events that are new. @throws EventGapError */
const inOrder = (received: number, events: Batch['events']): Batch['events'] => {
  const fresh = events.filter(({ n }) => n > received)
  fresh.forEach(({ n }, at) => {
    const expected = received + at + 1
    if (n !== expected) throw new EventGapError(expected, n)
  })
  return fresh
}

const write = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  run: RunRow,
  n: number,
  projection: Projection,
): Promise<void> => {
  const { tx, session } = change
  const { sdkSessionId, state, usage, error, park } = projection
  const changesState = Object.keys(state).length > 0
  const messages = await insertMessages(tx, session.id, run.id, projection.messages)
  await upsertToolCalls(tx, run, projection.toolCalls)
  await storeToolResults(tx, run.id, projection.toolResults)
  await insertRequests(change, run, projection.requests, deps.newId)
  await updateRun(tx, run, {
    received_n: n,
    // From here on the turn is over, whatever becomes of its manager: see `takeOver`.
    ...(park === null ? {} : { park, parks: run.parks + 1 }),
    ...(sdkSessionId === null ? {} : { sdk_session_id: sdkSessionId }),
    ...(changesState ? { state_patch: { ...run.state_patch, ...state } } : {}),
    ...(error === null ? {} : { last_error: error }),
  })
  if (usage !== null) await recordUsage(tx, run, usage)
  if (sdkSessionId !== null && sdkSessionId !== session.sdk_session_id) change.patch({ sdk_session_id: sdkSessionId })
  if (changesState) change.patch({ state_patch: { ...session.state_patch, ...state } })
  for (const step of projection.steps) {
    if (step.kind === 'line') change.log(step.type, step.data)
    else if (step.kind === 'chunk') change.show(step.data)
    else {
      const row = messages[step.at]
      if (row) logMessage(change, run.id, row)
    }
  }
}
