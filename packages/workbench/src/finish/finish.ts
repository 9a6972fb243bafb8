/**
 * POST /api/v1/runs/{id}/finish: the turn ended. One transaction writes the export, the end of the run, the session's
 * status and the log; then the engine is told. Between the two a crash loses nothing: the end stands with what the
 * engine is to be told, and whoever comes next (the manager again, the sweeper, the task's next holder) tells it.
 */
import { type AgentResult, type finishRun, type RunView, TuttiError, type UsageView } from '@tutti/contracts'
import type { z } from 'zod'
import { tokensOf } from '../budgets/spent.ts'
import { tokensOfHandOut, usageOfRuns } from '../budgets/used.ts'
import { isLastHolder } from '../claim/held-run.ts'
import { ensureJobsSoon } from '../create/ensure-jobs.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { viewRun } from '../read/sessions.ts'
import { wakeNext } from '../requests/wake.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { outputFault } from '../session/output.ts'
import { isHeld, type RunRow } from '../session/rows.ts'
import { findRun, logStatus, updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { interruptTools } from '../session/tool-executions.ts'
import { endRun } from './end-run.ts'
import { canWait, parkRun, reportParked } from './park.ts'
import { giveBack, reportEnd, reportUnderLastLease } from './report.ts'
import { settle } from './settle.ts'
import { storeExport } from './store-export.ts'

type Request = z.output<typeof finishRun>

/**
 * While the end is being written the lease must not run out; its manager goes on renewing it meanwhile. Not longer: where both die now,
 * nobody else may have the run before this is over.
 */
const finishLeaseMs = 5_000

/** How soon a run that goes back into the queue is compared with the engine. */
const retryCheckMs = 5_000

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST */
export const finish = async (deps: WorkbenchDeps, runId: string, request: Request): Promise<RunView> => {
  await endWhatTheEngineEnded(deps, runId, request)
  const run = await changeSession(deps.database, { runId }, (change) => write(deps, change, runId, request))
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  if (run.status === 'waiting') await reportParked(deps, run)
  else if (run.status === 'queued' && request.outcome === 'released') await giveBack(deps, run)
  else if (run.status === 'queued') {
    await reportUnderLastLease(deps, run, {
      status: 'failure',
      data: null,
      error: { code: 'TRANSIENT_ERROR', message: run.last_error ?? 'the turn failed' },
    })
    // Was it the last try, the engine has ended the task now, and the run must not stay queued for ever.
    await settle(deps, runId)
  } else {
    await reportEnd(deps, run)
    await wakeNext(deps, run.session_id)
  }
  await ensureJobsSoon(deps, run.session_id)
  return viewRun(deps.database, (await findRun(deps.database, runId)) ?? run)
}

/** A job that was cancelled elsewhere while the turn came to its end stays cancelled, and so does the run. */
const endWhatTheEngineEnded = async (deps: WorkbenchDeps, runId: string, request: Request): Promise<void> => {
  const run = await findRun(deps.database, runId)
  if (!run || run.task_id === null || !isHeld(run.status) || !isLastHolder(run, request)) return
  const held = await deps.engine.renew(request.worker_id, [run.task_id], finishLeaseMs)
  if (!held.includes(run.task_id)) await settle(deps, runId)
}

const write = async (deps: WorkbenchDeps, change: SessionChange, runId: string, request: Request): Promise<RunRow> => {
  const run = await findRun(change.tx, runId)
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  if (!isLastHolder(run, request) || run.attempt !== request.attempt)
    throw new TuttiError('LEASE_LOST', `Run ${runId} is no longer held by ${request.worker_id} under this lease`)
  // Finished before, or ended by the engine: the answer is the same, and nothing is written twice.
  if (!isHeld(run.status)) return run

  const usage = await showUsage(deps, change, run, request)
  if (request.export) await storeExport(change, run, request.export)
  const fault = request.outcome === 'completed' ? outputFault(run.config.output_schema, request.output) : undefined
  const misfit = fault && storable(`OUTPUT_INVALID: the answer does not fit the schema that was asked for: ${fault}`)
  const error = request.error ? storable(`${request.error.code}: ${request.error.message}`) : null
  if (run.status === 'canceling' || request.outcome === 'canceled')
    await endRun(change, run, {
      status: 'canceled',
      outcome: { status: 'cancelled', data: null, error: null },
      // Why it was cancelled says more than how the turn came to its end then.
      error: run.status === 'canceling' ? run.last_error : error,
    })
  else if (request.outcome === 'completed' && misfit !== undefined) await endRun(change, run, failedAs(misfit))
  else if (request.outcome === 'completed')
    await endRun(change, run, {
      status: 'completed',
      outcome: { status: 'success', data: agentResult(run, request, usage), error: null },
      error: null,
    })
  else if (request.outcome === 'parked' && canWait(run))
    await parkRun(change, run, request.park ?? { reason: 'input', until: null })
  else if (request.outcome === 'parked') await backIntoQueue(change, run, 'the turn has to wait')
  else if (request.outcome === 'released' || request.error?.retryable)
    await backIntoQueue(change, run, error ?? 'the turn failed')
  else await endRun(change, run, failedAs(error ?? 'the turn failed'))
  return run
}

const failedAs = (message: string) => ({
  status: 'failed' as const,
  outcome: { status: 'failure' as const, data: null, error: { code: 'PERMANENT_ERROR', message } },
  error: message,
})

/**
 * The manager has told of every call before it tells of the end. What the runtime says that it used is only compared: more than its
 * calls had means that some of them were not seen, and no budget has counted those.
 */
const showUsage = async (
  deps: WorkbenchDeps,
  { tx, log }: SessionChange,
  run: RunRow,
  { usage: told, lease_token }: Request,
): Promise<UsageView | undefined> => {
  if (told !== undefined) {
    const counted = await tokensOfHandOut(tx, lease_token)
    if (tokensOf(told) > tokensOf(counted))
      deps.log.warn(
        { run_id: run.id, told: tokensOf(told), counted: tokensOf(counted) },
        'a runtime says that it has used more tokens than passed the relay',
      )
  }
  const usage = (await usageOfRuns(tx, [run])).get(run.id)
  if (usage !== undefined) log('usage', { run_id: run.id, ...usage })
  return usage
}

/** The lease's token stays: it is how a repeated finish is known. Its events are refused from here on. */
const backIntoQueue = async (change: SessionChange, run: RunRow, error: string): Promise<void> => {
  await updateRun(change.tx, run, { status: 'queued', last_error: error, park: null }, { checkInMs: retryCheckMs })
  await interruptTools(change.tx, run.id, 'interrupted')
  await logStatus(change, run, 'pending')
}

const agentResult = (run: RunRow, request: Request, usage: UsageView | undefined): AgentResult => ({
  run_id: run.id,
  session_id: run.session_id,
  text: storable(request.result ?? ''),
  ...(run.config.output_schema === undefined || request.output === undefined
    ? {}
    : { output: storable(request.output) }),
  model: run.model ?? '',
  files: request.export?.status === 'ready' ? request.export.files : [],
  input_tokens: usage?.input_tokens ?? 0,
  output_tokens: usage?.output_tokens ?? 0,
  cost_usd: usage?.cost_usd ?? 0,
})
