import type { ClaimedRun } from '@tutti/contracts'
import { type AllowedHost, covers, readAllowedHost } from '@tutti/network'
import { RunFault } from '../fault.ts'

/**
 * Which hosts a run may reach: everybody's, those that it asks for as far as the operator lets runs ask, and those of its own MCP
 * servers: one that the operator wrote down is let through by that, one of a user's has to be among those that runs may ask for.
 */
export const egressOf = (
  { config, needed_hosts }: Pick<ClaimedRun, 'config' | 'needed_hosts'>,
  operator: { everybody: readonly AllowedHost[]; grantable: readonly AllowedHost[] },
): AllowedHost[] => {
  const asked = (config.egress ?? []).map((text) => {
    const host = readAllowedHost(text)
    const granted = host !== undefined && covers([...operator.everybody, ...operator.grantable], host)
    if (granted) return host
    const why = host === undefined ? 'is no host' : 'is not among the hosts that runs may ask for'
    throw new RunFault('EGRESS_REFUSED', `${JSON.stringify(text.slice(0, 100))} in config.egress ${why}`)
  })
  const needed = needed_hosts.map(({ host: text, server, granted }) => {
    const host = readAllowedHost(text)
    if (host !== undefined && (granted || covers([...operator.everybody, ...operator.grantable], host))) return host
    const why =
      host === undefined ? 'is no host' : 'is not among the hosts that runs may ask for (EGRESS_GRANTABLE_HOSTS)'
    throw new RunFault(
      'EGRESS_REFUSED',
      `${JSON.stringify(text.slice(0, 100))}, where the MCP server ${JSON.stringify(server)} is, ${why}`,
    )
  })
  return [...operator.everybody, ...asked, ...needed]
}
