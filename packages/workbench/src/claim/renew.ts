import { type renewAnswer, type renewRun, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import { settle } from '../finish/settle.ts'
import { isHeld } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'
import { signOfLife } from './announce.ts'
import { isLastHolder } from './held-run.ts'
import { leaseGraceMs } from './take-over.ts'

/**
 * POST /api/v1/runs/{id}/renew. The engine knows whether the lease still stands; the run knows whether somebody wants it
 * to stop. Either is a reason to end the turn.
 * @throws TuttiError RUN_NOT_FOUND
 */
export const renew = async (
  deps: WorkbenchDeps,
  runId: string,
  request: z.output<typeof renewRun>,
): Promise<z.output<typeof renewAnswer>> => {
  const run = await findRun(deps.database, runId)
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  if (run.task_id === null || !isHeld(run.status) || !isLastHolder(run, request))
    return { held: false, cancel: true, commands: [] }

  const leaseMs = request.lease_seconds * 1000
  const [held] = await Promise.all([
    deps.engine.renew(request.worker_id, [run.task_id], leaseMs),
    signOfLife(deps.engine, request.worker_id),
  ])
  if (!held.includes(run.task_id)) {
    // Cancelled in the engine, or the lease ran out: the session's readers should hear of it now, not at the next sweep.
    await settle(deps, runId)
    return { held: false, cancel: true, commands: [] }
  }
  await postponeCheck(deps, runId, request.lease_token, leaseMs + leaseGraceMs)
  return { held: true, cancel: run.status === 'canceling', commands: [] }
}

const postponeCheck = async (deps: WorkbenchDeps, runId: string, token: string, ms: number): Promise<void> => {
  await deps.database.query(
    `update workbench.runs set check_at = now() + $3 * interval '1 millisecond'
     where id = $1 and lease_token = $2 and status in ('claimed', 'running', 'canceling')`,
    [runId, token, ms],
  )
}
