import type { Fault } from '../fault.ts'
import type { ManagerConfig } from './manager.ts'
import { isLoopback } from './open-to-network.ts'

/** Sandboxes in a network would call for ever: what listens on a loopback address of the host is not in it. */
export function reachableCallback(config: Partial<ManagerConfig>): Fault | null {
  const { sandbox, sandboxDockerNetwork: network, managerHost } = config
  if (sandbox !== 'docker' || network === undefined || network === 'none') return null
  if (managerHost === undefined || !isLoopback(managerHost)) return null
  return {
    ...{ source: 'environment', variable: 'MANAGER_HOST' },
    what: `sandboxes in the network ${network} cannot reach this manager on ${managerHost}`,
    remedy: 'Set MANAGER_HOST to the network’s gateway, such as 172.17.0.1, or SANDBOX_DOCKER_NETWORK=none.',
  }
}
