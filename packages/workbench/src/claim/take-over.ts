/** Writes down who holds a run now. From here on every write of an older holder is refused: its token is gone. */
import { type ClaimedRun, mostTold, type TaskConfig } from '@tutti/contracts'
import type { LeasedTask } from '@tutti/engine'
import { exhausted } from '../budgets/measure.ts'
import { reopenMessages } from '../commands/commands.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { endRun } from '../finish/end-run.ts'
import { canWait, parkRun } from '../finish/park.ts'
import { expireRequests, pendingOf, type RequestRow } from '../requests/requests.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { hasEnded, isHeld, type Park, type RunRow, type StoredOutcome } from '../session/rows.ts'
import { findRun, logStatus, openRuns, updateRun } from '../session/runs.ts'
import { interruptTools } from '../session/tool-executions.ts'
import type { Plan } from './plan.ts'
import { resolve } from './resolve.ts'

export type Verdict =
  | { kind: 'claimed'; run: ClaimedRun }
  /** The run needs no turn any more; the engine only has to be told. */
  | { kind: 'over'; outcome: StoredOutcome }
  /** It has to wait before its next turn. */
  | { kind: 'parked'; run: RunRow }
  /** These runs of the session are still written down as held. */
  | { kind: 'blocked'; runs: string[] }
  /** The lease has ended, and somebody else has the run: this process slept between taking it and here. */
  | { kind: 'late' }

/** How long after its lease's end a run is compared with the engine: time enough for the engine to notice first. */
export const leaseGraceMs = 5_000

export const takeOver = async (
  deps: WorkbenchDeps,
  runId: string,
  lease: LeasedTask,
  leaseMs: number,
): Promise<Verdict> => {
  const verdict = await changeSession(deps.database, { runId }, async (change): Promise<Verdict> => {
    const run = await findRun(change.tx, runId)
    if (!run) throw new Error(`run ${runId} is gone`)
    if (await isLate(deps, run, lease)) return { kind: 'late' }
    if (hasEnded(run.status)) return { kind: 'over', outcome: run.outcome ?? cancelled }
    if (run.status === 'canceling') {
      // Whoever was to stop the turn has lost it: the sandbox is gone, or its manager is, and its events are refused.
      await endRun(change, run, { status: 'canceled', outcome: cancelled, error: null })
      return { kind: 'over', outcome: cancelled }
    }
    const open = await openRuns(change.tx, change.session.id)
    const others = open.filter((other) => other.id !== run.id && isHeld(other.status))
    if (others.length > 0) return { kind: 'blocked', runs: others.map(({ id }) => id) }
    const spent = await endWithoutBudget(deps, change, run)
    if (spent !== undefined) return { kind: 'over', outcome: spent }
    const parked = open.some((other) => other.user_message_id < run.user_message_id && other.status === 'waiting')
    if (parked && canWait(run)) {
      // In the middle of the other run's turn it would be said to an agent that waits for an answer.
      await note(change, run, lease, { park: { reason: 'turn', until: null } })
      return { kind: 'parked', run }
    }
    if (run.park !== null && run.park.reason !== 'turn' && canWait(run)) {
      const waits = (await pendingOf(change.tx, run.id)).length > 0
      // Its last manager has died after the turn was parked, and before it could say so. Else the engine says when time is over.
      const untold = run.status !== 'waiting'
      if (untold) await parkRun(change, run, run.park)
      if (waits || (untold && run.park.reason === 'rate_limit')) {
        await note(change, run, lease, {})
        return { kind: 'parked', run }
      }
    }
    const resolved = await resolve(deps, change.tx, change.session, run)
    if ('fault' in resolved) return { kind: 'over', outcome: await endUnstarted(change, run, resolved.fault) }
    await hold(change, run, lease, leaseMs)
    return { kind: 'claimed', run: await claimedRun(change, run, lease, resolved.plan) }
  })
  if (!verdict) throw new Error(`the session of run ${runId} is gone`)
  return verdict
}

/** Under the session's lock: a hand-out that is newer than this one has been written down, or will be after it. */
const isLate = async ({ engine }: WorkbenchDeps, run: RunRow, { task, worker, token }: LeasedTask): Promise<boolean> =>
  run.task_id !== null && (await engine.heldTask({ worker, jobId: task.jobId, taskId: task.id, token })) === undefined

const cancelled: StoredOutcome = { status: 'cancelled', data: null, error: null }

/** A budget that was used up since the run was sent: a sandbox would be opened only to be refused its first model call. */
const endWithoutBudget = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  run: RunRow,
): Promise<StoredOutcome | undefined> => {
  const refusal = await exhausted(change.tx, deps.budgets, {
    ...{ runId: run.id, sessionId: run.session_id, userId: run.user_id },
    budget: run.config.budget,
  })
  return refusal && endUnstarted(change, run, `BUDGET_EXCEEDED: ${refusal.message}`)
}

/** Before any sandbox is opened for it. */
const endUnstarted = async (change: SessionChange, run: RunRow, message: string): Promise<StoredOutcome> => {
  const outcome: StoredOutcome = { status: 'failure', data: null, error: { code: 'PERMANENT_ERROR', message } }
  await endRun(change, run, { status: 'failed', outcome, error: message })
  return outcome
}

const hold = async (change: SessionChange, run: RunRow, lease: LeasedTask, leaseMs: number): Promise<void> => {
  await change.tx.query('update workbench.sessions set warm_worker = $2 where id = $1', [
    change.session.id,
    lease.worker,
  ])
  const sameTask = run.task_id === lease.task.id
  // Given back before any manager began it, it is the same hand-out. The engine's number alone doesn't tell: it stays, too, where a
  // manager that works on it has lost sight of it, and then what that one was told and had asked would be nobody's.
  const unbegun = run.status === 'claimed' && run.received_n === 0
  const same = sameTask && lease.task.attempt === run.task_attempt && unbegun
  const again = sameTask && run.task_attempt > 0 && !same
  const attempt = same ? run.attempt : run.attempt + 1
  // Its manager died with the files of the parked turn: the conversation that goes on may not know of anything since the turn before.
  const forgotten = !sameTask && run.parks > 0 && run.workspace_export_status !== 'ready'
  // What an attempt asked that never came to its end is asked again, or not at all.
  await expireRequests(change, run.id)
  await updateRun(
    change.tx,
    run,
    {
      status: 'claimed',
      attempt,
      task_id: lease.task.id,
      task_attempt: lease.task.attempt,
      park: null,
      claimed_by: lease.worker,
      lease_token: lease.token,
      received_n: 0,
      job_created_at: run.job_created_at ?? new Date(),
      ...(run.attempt === 0 ? { base_manifest_key: change.session.workspace_manifest_key } : {}),
    },
    { checkInMs: leaseMs + leaseGraceMs },
  )
  if (again || forgotten) {
    await interruptTools(change.tx, run.id, 'interrupted')
    await reopenMessages(change.tx, run.id, forgotten ? null : lease.task.id)
  }
  if (again) change.log('run.attempt', { run_id: run.id, attempt: run.attempt, error: run.last_error })
  await logStatus(change, run, 'pending')
  // Its former holder is to let go; who left it to this one need not wait any longer.
  change.alert(run.id)
}

/** Who has to tell the engine that the run waits. */
const note = (change: SessionChange, run: RunRow, lease: LeasedTask, more: { park?: Park }): Promise<void> =>
  updateRun(change.tx, run, {
    ...more,
    task_id: lease.task.id,
    task_attempt: lease.task.attempt,
    claimed_by: lease.worker,
    lease_token: lease.token,
    job_created_at: run.job_created_at ?? new Date(),
  })

const claimedRun = async (change: SessionChange, run: RunRow, lease: LeasedTask, plan: Plan): Promise<ClaimedRun> => ({
  ...claimOf(change, run, lease, plan),
  ...(run.parks === 0 ? {} : await continuation(change, run)),
})

/** What the run waited for, and under which mode it goes on. */
const continuation = async (
  { tx, session }: SessionChange,
  run: RunRow,
): Promise<Pick<ClaimedRun, 'continues' | 'answers' | 'permission_mode' | 'told'>> => {
  const rows = await tx.query<Pick<RequestRow, 'park' | 'kind' | 'answer'>>(
    `select park, kind, answer from workbench.user_input_requests
     where run_id = $1 and status = 'answered' order by park, created_at, id`,
    [run.id],
  )
  const answered = rows.flatMap(({ answer, park, kind }) => (answer === null ? [] : [{ answer, park, kind }]))
  // The approval just given is carried out by the agent's runtime, which still plans; one given before is in force.
  const approved = answered.filter(
    ({ park, kind, answer }) => park < run.parks && kind === 'plan' && answer.decision === 'allow',
  )
  return {
    continues: true,
    answers: answered.filter(({ park }) => park === run.parks).map(({ answer }) => answer),
    permission_mode: approved.at(-1)?.answer.permission_mode ?? run.permission_mode,
    told: await toldOf(tx, session.id, run.id),
  }
}

/** Read under the lock under which the lease changes hands: nobody before this holder tells anything any more. */
const toldOf = async (tx: Queryable, sessionId: string, runId: string): Promise<string[]> => {
  const lines = await tx.query<{ entry: string }>(
    `select entry from workbench.session_events
     where session_id = $1 and entry is not null and data ->> 'run_id' = $2 order by seq desc limit $3`,
    [sessionId, runId, mostTold],
  )
  return lines.map(({ entry }) => entry)
}

const claimOf = ({ session }: SessionChange, run: RunRow, lease: LeasedTask, plan: Plan): ClaimedRun => ({
  run_id: run.id,
  session_id: session.id,
  job_id: run.job_id,
  task_id: lease.task.id,
  user_id: run.user_id,
  attempt: run.attempt,
  lease_token: lease.token,
  ...plan,
  permission_mode: run.permission_mode,
  continues: false,
  answers: [],
  told: [],
  attended: run.attended && canWait(run),
  config: withoutFiles(run.config),
  snapshot_key: session.workspace_manifest_key,
  sdk_session_id: session.sdk_session_id,
})

/** They are in the plan; and who is told of the run is nothing to the sandbox's host. */
const withoutFiles = ({ workspace, webhook_url: _, webhook_events: _events, ...config }: TaskConfig): TaskConfig =>
  workspace?.folder === undefined ? config : { ...config, workspace: { folder: workspace.folder } }
