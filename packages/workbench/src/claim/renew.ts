import { type renewAnswer, type renewRun, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import { openCommands, turnCommandOf } from '../commands/commands.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { settle } from '../finish/settle.ts'
import { isHeld, type RunRow } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'
import type { Hub } from '../stream/hub.ts'
import { signOfLife } from './announce.ts'
import { isLastHolder } from './held-run.ts'
import { leaseGraceMs } from './take-over.ts'

type Request = z.output<typeof renewRun>
type Answer = z.output<typeof renewAnswer>

/**
 * POST /api/v1/runs/{id}/renew. The engine knows whether the lease still stands; the run knows whether somebody wants it
 * to stop, or has said something to it. With `wait_seconds` the answer waits until there is something to tell, so that
 * who presses stop is heard at once. The lease counts from the request's arrival.
 * @throws TuttiError RUN_NOT_FOUND
 */
export const renew = async (
  deps: WorkbenchDeps & { hub: Hub },
  runId: string,
  request: Request,
  signal?: AbortSignal,
): Promise<Answer> => {
  const run = await findRun(deps.database, runId)
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  const until = performance.now() + request.wait_seconds * 1000
  const attention = listen(deps, run, request.worker_id)
  try {
    // Listening comes before the first look: what is committed after it is heard.
    let answer = await prolong(deps, runId, request)
    while (hasNothingToTell(answer) && !signal?.aborted) {
      const heard = await attention.next(until - performance.now(), signal)
      if (heard === 'nothing') break
      answer = heard === 'revoked' ? await prolong(deps, runId, request) : await look(deps, runId, request)
    }
    return answer
  } finally {
    attention.end()
  }
}

const hasNothingToTell = ({ held, cancel, commands }: Answer): boolean => held && !cancel && commands.length === 0

const lost: Answer = { held: false, cancel: true, commands: [] }

const holds = (run: RunRow, request: Request): boolean =>
  run.task_id !== null && isHeld(run.status) && isLastHolder(run, request)

/** Renews the lease, in the engine and in the run. */
const prolong = async (deps: WorkbenchDeps, runId: string, request: Request): Promise<Answer> => {
  const run = await findRun(deps.database, runId)
  if (!run || run.task_id === null || !holds(run, request)) return lost
  const leaseMs = request.lease_seconds * 1000
  const [held] = await Promise.all([
    deps.engine.renew(request.worker_id, [run.task_id], leaseMs),
    signOfLife(deps.engine, request.worker_id),
  ])
  if (!held.includes(run.task_id)) {
    // Cancelled in the engine, or the lease ran out: the session's readers should hear of it now, not at the next sweep.
    await settle(deps, runId)
    return lost
  }
  await postponeCheck(deps, runId, request.lease_token, leaseMs + leaseGraceMs)
  return answerOf(deps, run, request)
}

const look = async (deps: WorkbenchDeps, runId: string, request: Request): Promise<Answer> => {
  const run = await findRun(deps.database, runId)
  return run && holds(run, request) ? answerOf(deps, run, request) : lost
}

const answerOf = async ({ database }: WorkbenchDeps, run: RunRow, request: Request): Promise<Answer> => ({
  held: true,
  cancel: run.status === 'canceling',
  commands: (await openCommands(database, run.id, request.commands_after)).map(turnCommandOf),
})

/** Whatever may have changed the answer. `revoked`: the engine has taken the lease away; `alert`: the run wants a look. */
const listen = (
  { hub, engine }: { hub: Hub; engine: WorkbenchDeps['engine'] },
  run: RunRow,
  worker: string,
): { next(ms: number, signal?: AbortSignal): Promise<'alert' | 'revoked' | 'nothing'>; end(): void } => {
  let heard: 'alert' | 'revoked' | undefined
  let wake = (): void => {}
  const note = (what: 'alert' | 'revoked'): void => {
    heard = heard === 'revoked' ? heard : what
    wake()
  }
  const ends = [
    hub.subscribe({ sessionId: run.session_id }, (news) => {
      // Not each line that the run itself writes: hundreds come while one poll waits.
      if (news === 'resync' || news.run_id === run.id) note('alert')
    }),
    engine.onRevoked((revocation) => {
      if (revocation.taskId === run.task_id && revocation.worker === worker) note('revoked')
    }),
  ]
  return {
    next: async (ms, signal) => {
      if (heard === undefined && ms > 0 && !signal?.aborted)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
          signal?.addEventListener('abort', wake, { once: true })
        })
      const what = heard ?? 'nothing'
      heard = undefined
      wake = () => {}
      return what
    },
    end: () => {
      for (const end of ends) end()
    },
  }
}

const postponeCheck = async (deps: WorkbenchDeps, runId: string, token: string, ms: number): Promise<void> => {
  await deps.database.query(
    `update workbench.runs set check_at = now() + $3 * interval '1 millisecond'
     where id = $1 and lease_token = $2 and status in ('claimed', 'running', 'canceling')`,
    [runId, token, ms],
  )
}
