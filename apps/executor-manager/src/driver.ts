import type { ManagerConfig } from '@tutti/config'
import {
  createBubblewrapDriver,
  createDockerDriver,
  createNoneDriver,
  type SandboxDriver,
  type SandboxLog,
} from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'

type DriverConfig = Pick<
  ManagerConfig,
  'dockerHost' | 'executorImage' | 'sandbox' | 'sandboxDockerNetwork' | 'sandboxDockerRuntime' | 'sandboxStateDir'
>

/** The sandbox that the configuration names; `none` only by its name, never because another does not work. */
export const createDriver = (config: DriverConfig, log: Logger): SandboxDriver => {
  const { sandbox, sandboxStateDir: stateDir } = config
  const write: SandboxLog = (level, message, fields) => log[level](fields ?? {}, message)
  if (sandbox === 'none') return createNoneDriver({ log: write })
  if (sandbox === 'docker') {
    const { sandboxDockerNetwork: network, sandboxDockerRuntime: runtime } = config
    return createDockerDriver({
      ...{ stateDir, image: config.executorImage, engine: config.dockerHost, log: write },
      ...(runtime === '' ? {} : { runtime }),
      ...(network === 'none' ? {} : { network }),
    })
  }
  return createBubblewrapDriver({ stateDir, log: write })
}
