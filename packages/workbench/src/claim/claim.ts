/**
 * POST /api/v1/runs/claim: a manager asks the engine for a task of skill `agent.run` and gets the run that it stands for.
 * The engine decides who gets what, and when; the workbench only writes down who holds the run.
 */
import { AGENT_SKILL, agentRunParams, type ClaimedRun, type claimRun } from '@tutti/contracts'
import type { LeasedTask } from '@tutti/engine'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import { parkedOutcome } from '../finish/park.ts'
import { markReported, reportLease } from '../finish/report.ts'
import { settle } from '../finish/settle.ts'
import { announce } from './announce.ts'
import { runOfTask } from './run-of-task.ts'
import { takeOver } from './take-over.ts'

type Request = z.output<typeof claimRun>

/** @param signal aborted when the manager has gone: a run must not wait for a lease's end because nobody heard the answer */
export const claim = async (deps: WorkbenchDeps, request: Request, signal: AbortSignal): Promise<ClaimedRun | null> => {
  await announce(deps, request)
  const deadline = performance.now() + request.wait_seconds * 1000
  const leaseMs = request.lease_seconds * 1000
  for (;;) {
    const [lease] = await deps.engine.take({
      worker: request.worker_id,
      skills: [AGENT_SKILL],
      max: 1,
      waitMs: Math.max(0, deadline - performance.now()),
      leaseMs,
      signal,
    })
    if (!lease) return null
    const claimed = await claimLease(deps, lease, leaseMs, signal)
    if (claimed !== 'next') return claimed
  }
}

/** `next`: the task needed no manager, and is dealt with; null: nobody is there to take it. */
const claimLease = async (
  deps: WorkbenchDeps,
  lease: LeasedTask,
  leaseMs: number,
  signal: AbortSignal,
): Promise<ClaimedRun | null | 'next'> => {
  try {
    const claimed = signal.aborted ? null : await write(deps, lease, leaseMs)
    if (claimed !== null && !signal.aborted) return claimed
  } catch (error) {
    await release(deps, lease)
    throw error
  }
  await release(deps, lease)
  return null
}

const release = async (deps: WorkbenchDeps, lease: LeasedTask): Promise<void> => {
  try {
    await deps.engine.release([lease])
  } catch (error) {
    deps.log.warn({ err: error, task_id: lease.task.id }, 'a task could not be given back; its lease will run out')
  }
}

const write = async (deps: WorkbenchDeps, lease: LeasedTask, leaseMs: number): Promise<ClaimedRun | 'next'> => {
  const params = agentRunParams.safeParse(lease.task.params)
  if (!params.success) return refuse(deps, lease, `invalid params: ${params.error.issues[0]?.message}`)
  const run = await runOfTask(deps, lease.task, params.data)
  if (!run) return refuse(deps, lease, 'session_id and run_id belong to runs that the workbench made')

  let verdict = await takeOver(deps, run.id, lease, leaseMs)
  if (verdict.kind === 'blocked') {
    // The engine lets one task of a session out at a time, so the other run's task is over and only our row is behind.
    for (const other of verdict.runs) await settle(deps, other)
    verdict = await takeOver(deps, run.id, lease, leaseMs)
  }
  if (verdict.kind === 'blocked')
    throw new Error(`the session of run ${run.id} is still held by ${verdict.runs.join()}`)
  if (verdict.kind === 'claimed') return verdict.run
  if (verdict.kind === 'parked') {
    await reportLease(deps, lease, await parkedOutcome(deps, verdict.run))
    // What it waits for may have come meanwhile.
    await settle(deps, run.id)
    return 'next'
  }
  await reportLease(deps, lease, verdict.outcome)
  await markReported(deps, run.id)
  return 'next'
}

const refuse = async (deps: WorkbenchDeps, lease: LeasedTask, message: string): Promise<'next'> => {
  const error = { code: 'INVALID_INPUT_ERROR', message }
  await reportLease(deps, lease, { status: 'failure', data: null, error })
  return 'next'
}
