import { type RunView, type startRun, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import { viewRun } from '../read/sessions.ts'
import { changeSession } from '../session/change-session.ts'
import { logStatus, updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { heldRun } from './held-run.ts'

/**
 * POST /api/v1/runs/{id}/start: the sandbox is up. Repeating it changes nothing; a run that is being cancelled stays so,
 * and the next renewal tells the manager.
 * @throws TuttiError RUN_NOT_FOUND, LEASE_LOST
 */
export const start = async (
  deps: WorkbenchDeps,
  runId: string,
  request: z.output<typeof startRun>,
): Promise<RunView> => {
  const view = await changeSession(deps.database, { runId }, async (change) => {
    const run = await heldRun(change.tx, runId, request)
    if (run.status === 'claimed') {
      const { model, sandbox } = storable({ model: request.model, sandbox: request.sandbox })
      await updateRun(change.tx, run, { status: 'running', model, sandbox }, { started: true })
      await logStatus(change, run, 'running')
    }
    return viewRun(change.tx, run)
  })
  if (!view) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  return view
}
