/**
 * POST /api/v1/runs/claim: a manager asks the engine for a task of the skills of its modes (`agent.run`, …) and gets the run that it stands for.
 * The engine decides who gets what, and when; the workbench only writes down who holds the run.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { agentRunParams, type ClaimedRun, type claimRun, TuttiError } from '@tutti/contracts'
import type { LeasedTask } from '@tutti/engine'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import { parkedOutcome } from '../finish/park.ts'
import { markReported, reportLease } from '../finish/report.ts'
import { settle } from '../finish/settle.ts'
import { tell } from '../session/log.ts'
import { schemaFault } from '../session/output.ts'
import type { RunRow } from '../session/rows.ts'
import type { Hub } from '../stream/hub.ts'
import { tellParked } from '../webhooks/tell-parked.ts'
import { type Affinity, headStartOf } from './affinity.ts'
import { announce } from './announce.ts'
import { runOfTask } from './run-of-task.ts'
import { takeOver } from './take-over.ts'

type Request = z.output<typeof claimRun>

export interface ClaimDeps extends WorkbenchDeps {
  hub: Hub
  affinity: Affinity
}

/** A run that is left to another manager for so long. */
interface Left {
  lease: LeasedTask
  run: RunRow
  to: string
  ms: number
}

/** Of runs that a manager compares to find one of its own, after it has left one to another. */
const mostCompared = 16

/** @param signal aborted when the manager has gone: a run must not wait for a lease's end because nobody heard the answer */
export const claim = async (deps: ClaimDeps, request: Request, signal: AbortSignal): Promise<ClaimedRun | null> => {
  const skills = await announce(deps, request)
  if (request.holding !== undefined) await giveBackUnknown(deps, request.worker_id, request.holding)
  const deadline = performance.now() + request.wait_seconds * 1000
  const leaseMs = request.lease_seconds * 1000
  for (let max = 1; ; ) {
    const leases = await deps.engine.take({
      worker: request.worker_id,
      skills,
      max,
      waitMs: Math.max(0, deadline - performance.now()),
      leaseMs,
      signal,
    })
    if (leases.length === 0) return null
    const { claimed, left } = await firstOf(deps, leases, leaseMs, signal)
    if (claimed !== undefined) return claimed
    if (left.length === 0) continue
    await stepBack(deps, left, request.worker_id, deadline, signal)
    // Who asked for less than the head start asks again, and gets it when that is over.
    if (performance.now() >= deadline) return null
    // What it left stands first in the queue, and what others left to it behind.
    max = mostCompared
  }
}

/**
 * The answer to the claim before this one was lost, and a run with it perhaps: the manager would never begin it, and nobody else have it
 * before its lease is over.
 */
const giveBackUnknown = async (
  { database, engine, log }: WorkbenchDeps,
  worker: string,
  holding: string[],
): Promise<void> => {
  const known = await database.query<{ task_id: string }>(
    'select task_id from workbench.runs where id = any($1::uuid[]) and claimed_by = $2 and task_id is not null',
    [holding, worker],
  )
  const ids = known.map(({ task_id }) => task_id)
  const given = await engine.giveBackOthers(worker, ids)
  if (given.length > 0) log.warn({ worker, tasks: given }, 'runs whose claim was never heard are handed out again')
}

/** The first that this manager should have. The rest is given back, but for those that are left to others: see `stepBack`. */
const firstOf = async (
  deps: ClaimDeps,
  leases: LeasedTask[],
  leaseMs: number,
  signal: AbortSignal,
): Promise<{ claimed?: ClaimedRun | null; left: Left[] }> => {
  const left: Left[] = []
  const rest = [...leases]
  const giveBack = async (): Promise<void> => {
    for (const lease of [...left.map((each) => each.lease), ...rest]) await release(deps, lease)
  }
  for (let lease = rest.shift(); lease; lease = rest.shift()) {
    let claimed: Awaited<ReturnType<typeof claimLease>>
    try {
      claimed = await claimLease(deps, lease, leaseMs, signal)
    } catch (error) {
      await giveBack()
      throw error
    }
    if (claimed === 'next') continue
    if (claimed !== null && 'ms' in claimed) {
      left.push(claimed)
      continue
    }
    await giveBack()
    return { claimed, left: [] }
  }
  return { left }
}

/**
 * Gives runs back, tells the managers that should have them, and waits until one of them is taken or somebody leaves this manager one of
 * its own; no longer than the request may. All who wait listen before they tell: so of two that each left the other's run, one hears, and no pair waits for each other.
 */
const stepBack = async (
  deps: ClaimDeps,
  left: Left[],
  worker: string,
  deadline: number,
  signal: AbortSignal,
): Promise<void> => {
  const enough = new AbortController()
  const leaves = left.map(({ run }) =>
    deps.hub.subscribe({ sessionId: run.session_id }, (news) => {
      if (news !== 'resync' && news.run_id === run.id) enough.abort()
    }),
  )
  leaves.push(deps.hub.subscribe({ sessionId: leftTo(worker) }, () => enough.abort()))
  try {
    for (const { lease } of left) await release(deps, lease)
    await tellLeft(deps, left)
    const ms = Math.max(0, Math.min(deadline - performance.now(), ...left.map((each) => each.ms)))
    await delay(ms, undefined, { signal: AbortSignal.any([enough.signal, signal]) }).catch(() => undefined)
  } finally {
    for (const leave of leaves) leave()
  }
}

/** Managers are told on the channel of sessions, under a name that no session has. */
const leftTo = (worker: string): string => `worker:${worker}`

const tellLeft = ({ database }: WorkbenchDeps, left: Left[]): Promise<void> =>
  tell(
    database,
    [...new Set(left.map(({ to }) => to))].map((to) => ({ session_id: leftTo(to), user_id: '', seq: 0 })),
  )

/** `next`: the task needed no manager, and is dealt with; null: nobody is there to take it. One that is left is still leased. */
const claimLease = async (
  deps: ClaimDeps,
  lease: LeasedTask,
  leaseMs: number,
  signal: AbortSignal,
): Promise<ClaimedRun | Left | null | 'next'> => {
  try {
    const claimed = signal.aborted ? null : await write(deps, lease, leaseMs)
    if (claimed === 'next' || (claimed !== null && 'ms' in claimed)) return claimed
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

const write = async (deps: ClaimDeps, lease: LeasedTask, leaseMs: number): Promise<ClaimedRun | Left | 'next'> => {
  const params = agentRunParams.safeParse(lease.task.params)
  if (!params.success) return refuse(deps, lease, `invalid params: ${params.error.issues[0]?.message}`)
  const schema = schemaFault(params.data.config.output_schema)
  if (schema) return refuse(deps, lease, `params.config.${schema.path}: ${schema.fault}`)
  const run = await runOfTask(deps, lease.task, params.data).catch((error: unknown) => {
    if (error instanceof TuttiError && (error.code === 'CAPABILITY_NOT_FOUND' || error.code === 'INVALID_BODY'))
      return error
    throw error
  })
  if (run instanceof TuttiError) return refuse(deps, lease, run.message)
  if (!run)
    return refuse(
      deps,
      lease,
      'session_id and run_id belong to runs that the workbench made, and an attended agent is a job of agent_run: use agent({ attended: true })',
    )

  const warm = await headStartOf(deps, deps.affinity, run, lease.worker)
  if (warm !== null) return { lease, run, ...warm }

  let verdict = await takeOver(deps, run.id, lease, leaseMs)
  if (verdict.kind === 'blocked') {
    // The engine lets one task of a session out at a time, so the other run's task is over and only our row is behind.
    for (const other of verdict.runs) await settle(deps, other)
    verdict = await takeOver(deps, run.id, lease, leaseMs)
  }
  if (verdict.kind === 'blocked')
    throw new Error(`the session of run ${run.id} is still held by ${verdict.runs.join()}`)
  if (verdict.kind === 'claimed') return verdict.run
  if (verdict.kind === 'late') return 'next'
  if (verdict.kind === 'parked') {
    await tellParked(deps, verdict.run)
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
