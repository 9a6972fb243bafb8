/** From the claim to the end of the turn: prepares, opens a sandbox, plays the turn, and leaves nothing running. */
import { type ClaimedRun, screenshotKey } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { isLeaseLost } from '../backend/error.ts'
import { persist } from '../backend/persist.ts'
import type { Lease } from '../claim/lease.ts'
import type { Station } from '../deps.ts'
import { messageOf, RunFault } from '../fault.ts'
import { createIntake, type Intake } from '../relay/intake.ts'
import type { Meter } from '../relay/usage.ts'
import { type OpenSandbox, openSandbox } from '../sandbox/open.ts'
import { hasConversation } from '../stage/resumable.ts'
import { stageRun } from '../stage/workspace.ts'
import { playTurn, type TurnEnd } from './play.ts'
import type { Shutdown } from './shutdown.ts'
import { turnOf } from './turn.ts'

export interface AttemptContext {
  lease: Lease
  meter: Meter
  /** The turn is to end early, for whichever reason. */
  stop: AbortSignal
  shutdown: Shutdown
  log: Logger
}

export interface Attempted {
  end: TurnEnd | RunFault
  /** Where the agent has worked; undefined where it never got to. */
  workspace?: string
}

/** Never rejects: whatever happens is an end. */
export const attempt = async (station: Station, claimed: ClaimedRun, context: AttemptContext): Promise<Attempted> => {
  const { stop, log } = context
  let sandbox: OpenSandbox | undefined
  let workspace: string | undefined
  try {
    const staged = await stage(station, claimed, stop)
    const order = { sessionId: claimed.session_id, runId: claimed.run_id, workspace: staged }
    sandbox = await openSandbox(station, order, log)
    workspace = staged
    return { end: await play(station, claimed, sandbox, staged, context), workspace }
  } catch (error) {
    const end = endBy(error, context)
    return { end, ...(workspace === undefined ? {} : { workspace }) }
  } finally {
    // Not before this does the session's next run begin, nor the export read the files.
    await sandbox?.close()
  }
}

const stage = (station: Station, claimed: ClaimedRun, signal: AbortSignal): Promise<string> => {
  signal.throwIfAborted()
  const { config, settings } = station
  return stageRun(claimed, {
    workspaceRoot: config.workspaceRoot,
    stagingRoots: config.stagingRoots,
    maxFolderFiles: settings.folderFiles,
    // More than the sandbox may hold would end it before its first step.
    maxFolderBytes: Math.min(settings.folderBytes, config.sandboxDiskMb * 1024 ** 2),
    signal,
  })
}

const play = async (
  station: Station,
  claimed: ClaimedRun,
  sandbox: OpenSandbox,
  workspace: string,
  context: AttemptContext,
): Promise<TurnEnd> => {
  const { lease, meter, stop, shutdown, log } = context
  const { backend, driver, model, workerId } = station
  const intake = createIntake({ backend, log }, { claimed, workerId, lease })
  const turn = turnOf(claimed, model.name, await resumable(claimed, workspace, log))
  const start = { worker_id: workerId, lease_token: claimed.lease_token, model: turn.model, sandbox: driver.name }
  await persist(() => backend.start(claimed.run_id, start), { signal: stop, log })
  log.info({ sandbox: driver.name, isolates: driver.isolates, model: turn.model }, 'a turn begins')
  const end = await playTurn(sandbox, {
    turn,
    intake,
    meter,
    screenshot: async (toolUseId, png) => {
      const key = screenshotKey({ ...claimed, tool_use_id: toolUseId })
      return (await station.objects.put(key, png, { contentType: 'image/png' })).key
    },
    timeoutMs: station.config.runTimeoutSeconds * 1000,
    stop,
  })
  log.info({ end: end.kind }, 'the turn ended')
  await settle(sandbox, intake, lease, shutdown)
  return end
}

/** What the agent said before its end, whichever that was, belongs to the session's record. */
const settle = async (sandbox: OpenSandbox, intake: Intake, lease: Lease, shutdown: Shutdown): Promise<void> => {
  await sandbox.close()
  const enough = AbortSignal.any([lease.over, shutdown.abandoned])
  await Promise.race([intake.idle(), aborted(enough)])
}

const resumable = async (claimed: ClaimedRun, workspace: string, log: Logger): Promise<string | null> => {
  const { sdk_session_id } = claimed
  if (sdk_session_id === null || (await hasConversation(workspace, sdk_session_id))) return sdk_session_id
  log.warn('the agent’s record of the conversation is not in the workspace; it begins anew')
  return null
}

const endBy = (error: unknown, { lease, stop, log }: AttemptContext): TurnEnd | RunFault => {
  if (isLeaseLost(error)) lease.lose(messageOf(error))
  if (stop.aborted) return { kind: 'stopped' }
  if (error instanceof RunFault) return error
  log.error({ err: error }, 'an attempt failed for a reason that nobody foresaw')
  return new RunFault('INTERNAL', `The executor manager failed: ${messageOf(error)}`, { retryable: true, cause: error })
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
