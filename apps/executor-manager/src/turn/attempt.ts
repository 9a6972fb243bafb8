/** From the claim to the end of the turn: prepares, opens a sandbox, plays the turn, and leaves nothing running. */
import { type ClaimedRun, type MemoryAnswer, type MemoryCall, screenshotKey } from '@tutti/contracts'
import type { AllowedHost } from '@tutti/network'
import type { Logger } from '@tutti/telemetry'
import { isLeaseLost } from '../backend/error.ts'
import { persist } from '../backend/persist.ts'
import type { Lease } from '../claim/lease.ts'
import type { Station } from '../deps.ts'
import { messageOf, RunFault } from '../fault.ts'
import { waitingOut } from '../files/away.ts'
import type { Account } from '../relay/account.ts'
import { createIntake, type Intake } from '../relay/intake.ts'
import type { Taken } from '../sandbox/kept.ts'
import { type OpenSandbox, openSandbox } from '../sandbox/open.ts'
import { egressOf } from '../stage/egress.ts'
import type { Home } from '../stage/home.ts'
import { hasConversation } from '../stage/resumable.ts'
import { stageRun } from '../stage/workspace.ts'
import { playTurn, type TurnEnd } from './play.ts'
import type { Shutdown } from './shutdown.ts'
import { turnOf } from './turn.ts'

export interface AttemptContext {
  lease: Lease
  account: Account
  /** The turn is to end early, for whichever reason. */
  stop: AbortSignal
  shutdown: Shutdown
  log: Logger
}

export interface Attempted {
  end: TurnEnd | RunFault
  /** Where the agent has worked; undefined where it never got to. */
  home?: Home
}

/** Never rejects: whatever happens is an end. */
export const attempt = async (station: Station, claimed: ClaimedRun, context: AttemptContext): Promise<Attempted> => {
  const { stop, log } = context
  let kept: Taken | undefined
  let sandbox: OpenSandbox | undefined
  let home: Home | undefined
  try {
    checkModel(station, claimed)
    const egress = egressOf(claimed, {
      everybody: station.config.egressAllowedHosts,
      grantable: station.config.egressGrantableHosts,
    })
    kept = station.kept.take(claimed.session_id)
    const { objectsAwayMs: awayMs } = station.settings
    const place = () => stage(station, claimed, stop, () => kept?.drop('workspace'))
    const staged = await waitingOut(place, { awayMs, signal: stop, log })
    sandbox = (await kept?.resume()) ?? (await openFresh(station, claimed, staged, log))
    home = staged
    const grounds = { workspace: staged.workspace, egress }
    const { end, rests } = await play(station, claimed, sandbox, grounds, context)
    if (rests) sandbox = undefined
    return { end, home }
  } catch (error) {
    const end = endBy(error, context)
    return { end, ...(home === undefined ? {} : { home }) }
  } finally {
    await kept?.drop('ended')
    // Not before this does the session's next run begin, nor the export read the files.
    await sandbox?.close()
  }
}

/** Before anything is prepared: every request of the agent would be refused. */
const checkModel = ({ model }: Station, { options }: ClaimedRun): void => {
  const name = options.model ?? model.name
  if (model.routeOf(name) === undefined)
    throw new RunFault('MODEL_NOT_ALLOWED', `The model ${JSON.stringify(name)} is not offered by this executor manager`)
}

const openFresh = async (
  station: Station,
  claimed: ClaimedRun,
  { workspace }: Home,
  log: Logger,
): Promise<OpenSandbox> => {
  station.kept.missed()
  const order = { sessionId: claimed.session_id, runId: claimed.run_id, workspace }
  return (await station.pool.take(order)) ?? openSandbox(station, order, log)
}

const stage = (
  station: Station,
  claimed: ClaimedRun,
  signal: AbortSignal,
  beforeChange: () => Promise<void> | undefined,
): Promise<Home> => {
  signal.throwIfAborted()
  const { cache, config, objects, settings } = station
  return stageRun(claimed, {
    ...{ cache, objects, privateHosts: config.gitPrivateHosts, repositoryTimeoutMs: settings.repositoryMs },
    ignoreDotFiles: config.workspaceIgnoreDotFiles,
    patterns: config.workspaceGitIgnore,
    workspaceRoot: config.workspaceRoot,
    stagingRoots: config.stagingRoots,
    maxFolderFiles: settings.folderFiles,
    // More than the sandbox may hold would end it before its first step.
    maxFolderBytes: Math.min(settings.folderBytes, config.sandboxDiskMb * 1024 ** 2),
    signal,
    beforeChange,
  })
}

const play = async (
  station: Station,
  claimed: ClaimedRun,
  sandbox: OpenSandbox,
  { workspace, egress }: { workspace: string; egress: readonly AllowedHost[] },
  context: AttemptContext,
): Promise<{ end: TurnEnd; rests: boolean }> => {
  const { lease, account, stop, shutdown, log } = context
  const { backend, driver, model, workerId } = station
  const intake = createIntake({ backend, log }, { claimed, workerId, lease })
  const turn = turnOf(claimed, model.name, await resumable(claimed, workspace, log))
  const start = { worker_id: workerId, lease_token: claimed.lease_token, model: turn.model, sandbox: driver.name }
  await persist(() => backend.start(claimed.run_id, start), { signal: stop, log })
  log.info({ sandbox: driver.name, isolates: driver.isolates, model: turn.model }, 'a turn begins')
  const end = await playTurn(sandbox, {
    turn,
    intake,
    account,
    egress,
    commands: lease.commands,
    screenshot: async (toolUseId, png) => {
      const key = screenshotKey({ ...claimed, tool_use_id: toolUseId })
      return (await station.objects.put(key, png, { contentType: 'image/png' })).key
    },
    ...(turn.memory === true ? { memory: memoryOf(station, claimed, lease, log) } : {}),
    haltGraceMs: station.settings.haltGraceMs,
    timeoutMs: station.config.runTimeoutSeconds * 1000,
    stop,
  })
  log.info({ end: end.kind }, 'the turn ended')
  // Only after a turn that went well: what another one left behind, nobody should have to reckon with.
  const rests = isDone(end) && !stop.aborted && (await station.kept.keep(claimed.session_id, sandbox))
  if (!rests) await sandbox.close()
  await settle(intake, lease, shutdown)
  return { end, rests }
}

/** Not while a person is waited for: that may take days. */
const isDone = (end: TurnEnd): boolean => end.kind === 'final' && end.event.type === 'done'
/** An agent waits for it: less patiently than for what must not get lost. */
const memoryPatienceMs = 20_000

const memoryOf =
  ({ backend, workerId }: Station, { run_id, lease_token }: ClaimedRun, lease: Lease, log: Logger) =>
  (call: MemoryCall): Promise<MemoryAnswer> => {
    const signal = AbortSignal.any([lease.over, AbortSignal.timeout(memoryPatienceMs)])
    return persist(() => backend.memory(run_id, { worker_id: workerId, lease_token, call }), { signal, log })
  }

/** What the agent said before its end, whichever that was, belongs to the session's record. */
const settle = async (intake: Intake, lease: Lease, shutdown: Shutdown): Promise<void> => {
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
