export { AddressRefused, guardedLookup, isPublicAddress, urlFault } from './addresses.ts'
export { type AllowedHost, allowedBy, covers, readAllowedHost } from './allowed-hosts.ts'
