/** A sandbox with its executor and its relay. It plays one turn after the other, and may be kept between turns. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { type Sandbox, SandboxError, type SandboxExit, WORKSPACE } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'
import type { Station } from '../deps.ts'
import { messageOf, RunFault } from '../fault.ts'
import { openDirectory } from '../files/directory.ts'
import { createRelay, type Relay } from '../relay/relay.ts'
import { newToken } from '../relay/token.ts'
import { placeFile } from '../stage/place.ts'
import { logOutput } from './output.ts'
import { labelsOf, sandboxSpec } from './spec.ts'
import { makeWaitingFolder } from './waiting-folder.ts'
import { makeWayOut, type WayOut } from './way-out.ts'

export interface OpenSandbox {
  readonly relay: Relay
  /** Resolves when it has ended, by itself or not. Never rejects. */
  readonly exited: Promise<SandboxExit>
  /** Stops everything in it where it stands. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Gives one that was started ahead its work. It stands still until it is resumed. Rejects with SandboxError. */
  bind(order: SandboxOrder): Promise<void>
  /** What it holds of the host's memory. */
  memoryBytes(): Promise<number>
  /** Ends everything in it and removes what belonged to it. Any number of times. */
  close(): Promise<void>
}

export interface SandboxOrder {
  sessionId: string
  runId: string
  workspace: string
}

type OpenOrder = ({ ahead: false } & SandboxOrder) | { ahead: true; workspace: string }

/** Rejects with `RunFault`. */
export const openSandbox = (station: Station, order: SandboxOrder, log: Logger): Promise<OpenSandbox> =>
  open(station, { ...order, ahead: false }, log)

/** One that belongs to nobody yet, see `bind`. Rejects with `RunFault`. */
export const openAhead = async (station: Station, log: Logger): Promise<OpenSandbox> => {
  const workspace = await makeWaitingFolder(station.config.workspaceRoot)
  const remove = (): Promise<void> => rm(workspace, { recursive: true, force: true })
  try {
    const sandbox = await open(station, { workspace, ahead: true }, log)
    // Once it is bound the folder lies elsewhere, and is its session's.
    return { ...sandbox, close: () => sandbox.close().then(remove) }
  } catch (error) {
    await remove()
    throw error
  }
}

const open = async (station: Station, order: OpenOrder, log: Logger): Promise<OpenSandbox> => {
  const token = newToken()
  const wayOut = await makeWayOut(station, token)
  let relay: Relay | undefined
  try {
    relay = await createRelay({
      ...station.settings,
      model: station.model,
      rateLimitWaitMs: station.config.rateLimitWaitSeconds * 1000,
      listen: wayOut.listen,
      token,
      log,
    })
    const sandbox = await station.driver.start(
      sandboxSpec({
        order,
        executor: station.executor,
        compileCache: station.compileCache(),
        config: station.config,
        wayOut,
        token: await passToken(token, order.workspace, station.driver.isolates),
      }),
    )
    return opened(sandbox, relay, wayOut, log)
  } catch (error) {
    await relay?.close()
    await wayOut.remove()
    // The remedy is for the operator; the user learns that it was not their doing. Of one that nobody waits for the pool tells.
    if (!order.ahead) log.error({ err: error }, 'a sandbox could not be started')
    const fault = error instanceof SandboxError ? error.fault : messageOf(error)
    throw new RunFault('SANDBOX_NOT_STARTED', `The sandbox could not be started: ${fault}`, {
      retryable: true,
      cause: error,
    })
  }
}

/**
 * In a file that the executor reads once and removes: what a process was started with stays readable in /proc for all
 * that runs beside it. Without isolation there is nothing to keep it from, and no path inside to name.
 */
const passToken = async (token: string, workspace: string, isolates: boolean): Promise<string> => {
  if (!isolates) return token
  const name = `.tutti-token-${randomBytes(8).toString('hex')}`
  const root = await openDirectory(workspace)
  try {
    await placeFile(root, name, 0o600, (file) => file.writeFile(token))
  } finally {
    await root.close()
  }
  return `@${WORKSPACE}/${name}`
}

const opened = (sandbox: Sandbox, relay: Relay, wayOut: WayOut, log: Logger): OpenSandbox => {
  const ownLog = log.child({ sandbox_id: sandbox.id })
  logOutput(sandbox.stdout, 'stdout', ownLog)
  logOutput(sandbox.stderr, 'stderr', ownLog)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    // The processes first: with the relay gone the executor would only ask for it again and again.
    await sandbox.kill()
    await relay.close()
    await wayOut.remove()
  }
  return {
    relay,
    exited: sandbox.exited,
    pause: () => sandbox.pause(),
    resume: () => sandbox.resume(),
    bind: ({ workspace, sessionId, runId }) => sandbox.bind({ workspace, labels: labelsOf({ sessionId, runId }) }),
    memoryBytes: () => sandbox.memoryBytes(),
    close: () => {
      closing ??= close().catch((error: unknown) => ownLog.error({ err: error }, 'a sandbox left something behind'))
      return closing
    },
  }
}
