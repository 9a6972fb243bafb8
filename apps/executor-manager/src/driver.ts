import type { ManagerConfig } from '@tutti/config'
import { createBubblewrapDriver, createNoneDriver, type SandboxDriver, type SandboxLog } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'

/** The sandbox that the configuration names; `none` only by its name, never because another does not work. */
export const createDriver = (sandbox: ManagerConfig['sandbox'], stateDir: string, log: Logger): SandboxDriver => {
  const write: SandboxLog = (level, message, fields) => log[level](fields ?? {}, message)
  if (sandbox === 'none') return createNoneDriver({ log: write })
  return createBubblewrapDriver({ stateDir, log: write })
}
