import type { ClaimedRun } from '@tutti/contracts'
import { type AllowedHost, covers, readAllowedHost } from '@tutti/network'
import { RunFault } from '../fault.ts'

/** Which hosts a run may reach: everybody's, and those that it asks for as far as the operator lets runs ask. */
export const egressOf = (
  { config }: Pick<ClaimedRun, 'config'>,
  operator: { everybody: readonly AllowedHost[]; grantable: readonly AllowedHost[] },
): AllowedHost[] => {
  const asked = (config.egress ?? []).map((text) => {
    const host = readAllowedHost(text)
    const granted = host !== undefined && covers([...operator.everybody, ...operator.grantable], host)
    if (granted) return host
    const why = host === undefined ? 'is no host' : 'is not among the hosts that runs may ask for'
    throw new RunFault('EGRESS_REFUSED', `${JSON.stringify(text.slice(0, 100))} in config.egress ${why}`)
  })
  return [...operator.everybody, ...asked]
}
