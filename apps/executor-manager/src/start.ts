/** From the environment to a running manager. */
import { type Environment, formatFaults, loadManager, logSettings } from '@tutti/config'
import { createLogger, createStartWait, type Logger } from '@tutti/telemetry'
import { createManager, type Manager } from './app.ts'
import { createBackendClient } from './backend/client.ts'
import { createDriver } from './driver.ts'
import { isAway } from './files/away.ts'
import { modelAccess } from './model-access.ts'
import { openObjects } from './open-objects.ts'

export interface RunningManager {
  /** Of the health endpoint. */
  port: number
  manager: Manager
  log: Logger
  /** Takes no more runs, lets running turns finish for a while, and gives back the rest. */
  stop(): Promise<void>
}

/** No sandbox can be started on this host. The message says why, and what to do; an app exits with `exitCode`. */
export class NoSandboxError extends Error {
  override readonly name = 'NoSandboxError'
  readonly exitCode = 3
}

export interface StartOptions {
  /** Whether a start waits for a bucket that is away, as START_WAIT_SECONDS says: a person who starts it is told at once. */
  waits?: boolean
}

/** @throws ConfigError with every fault; NoSandboxError; nothing was started then */
export const startManager = async (env: Environment, { waits = false }: StartOptions = {}): Promise<RunningManager> => {
  const { config, files, models, schedule, warnings } = loadManager(env)
  const log = createLogger({ name: 'executor-manager', ...logSettings(config) })
  for (const { what, remedy } of warnings) log.warn(`${what}. ${remedy}`)

  const driver = createDriver(config, log)
  const check = await driver.check()
  if (!check.ok) {
    const source = `SANDBOX=${driver.name}`
    throw new NoSandboxError(formatFaults([{ source, what: check.fault, remedy: check.remedy }]))
  }
  for (const note of check.notes) log.warn({ sandbox: driver.name }, note)

  const wait = createStartWait({
    ...{ service: 'executor-manager', host: config.managerHost, port: config.managerPort, isAway, log },
    seconds: waits ? config.startWaitSeconds : 0,
  })
  const objects = await openObjects(config, files, wait).finally(wait.end)
  const manager = createManager(
    {
      ...{ config, schedule, driver, log, model: modelAccess(models) },
      backend: createBackendClient({
        baseUrl: config.backendUrl,
        internalToken: config.internalApiToken,
        leaseSeconds: config.taskClaimLeaseSeconds,
      }),
      objects: objects.store,
    },
    { accessLog: config.uvicornAccessLog },
  )
  const stop = async (): Promise<void> => {
    await manager.stop()
    objects.close()
  }
  await manager.start()
  return { port: manager.port() ?? config.managerPort, manager, log, stop }
}
