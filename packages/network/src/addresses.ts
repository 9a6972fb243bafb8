/**
 * Which addresses a webhook may reach. A client chooses its own webhook's address, so without this anybody with a token could have the
 * server speak to whatever stands behind its firewall: a cloud's metadata service, a database, this API itself.
 */
import { type LookupAddress, lookup as resolve } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Whether the address belongs to the public internet. Whatever can't be read does not. */
export const isPublicAddress = (text: string): boolean => {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast') return false
  // Forms of IPv6 that carry an IPv4 address inside: they reach it through a translator where there is one.
  return !(address instanceof ipaddr.IPv6) || (!embedsIpv4(address) && isGlobalUnicast(address))
}

const translators = ['64:ff9b::/96', '64:ff9b:1::/48', '::/96', '2001::/32', '2002::/16'].map((range) =>
  ipaddr.IPv6.parseCIDR(range),
)
const embedsIpv4 = (address: ipaddr.IPv6): boolean => translators.some((range) => address.match(range))

/** 2000::/3 is all of IPv6 that has been given out for the internet. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
const isGlobalUnicast = (address: ipaddr.IPv6): boolean => address.match(globalUnicast)

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** What is wrong with the address of a webhook, before anything is looked up; null when nothing is. */
export const urlFault = (text: string, allowPrivate: boolean): string | null => {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol))
    return 'must be an address that begins with http:// or https://'
  if (url.username !== '' || url.password !== '') return 'must hold no user name or password: it is shown in logs'
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (allowPrivate) return null
  if (ipaddr.isValid(host) && !isPublicAddress(host)) return 'leads to a private address'
  if (host === 'localhost' || host.endsWith('.localhost')) return 'leads to a private address'
  return null
}

/**
 * A look-up of names for the connection itself. Checked here, and not before, because a name may answer differently the second time
 * it is asked (DNS rebinding): what was checked is what is connected to.
 */
export const guardedLookup =
  (allowPrivate: boolean, lookup: typeof resolve = resolve): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return callback(error, '')
      const allowed = allowPrivate ? found : found.filter(({ address }) => isPublicAddress(address))
      const [first] = allowed
      if (!first) return callback(new AddressRefused(`${hostname} leads to a private address`), '')
      if (options.all) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
