/** Lists of hosts that may be reached: `example.com`, `*.example.com` for all below it, `10.0.0.5:8443` with the port. */
import ipaddr from 'ipaddr.js'

export interface AllowedHost {
  /** Small letters, without a dot at its end; an address without brackets. */
  name: string
  /** All names below `name`, and not itself. */
  below: boolean
  /** Null: those of HTTP and HTTPS. */
  port: number | null
}

const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
const hostName = new RegExp(`^${label}(\\.${label})*$`)
const entry = /^(\*\.)?(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/

/** Undefined: this is no host. */
export const readAllowedHost = (text: string): AllowedHost | undefined => {
  const [, wildcard, host = '', port] = entry.exec(text.trim().toLowerCase()) ?? []
  const name = normal(host)
  const number = port === undefined ? null : Number(port)
  if (name === undefined || (number !== null && (number < 1 || number > 65_535))) return undefined
  // A star before an address, or before a whole top-level domain, is a slip.
  if (wildcard !== undefined && (ipaddr.isValid(name) || !name.includes('.'))) return undefined
  return { name, below: wildcard !== undefined, port: number }
}

/** The target of a CONNECT, `host:port`, if one of the list allows it. */
export const allowedBy = (
  list: readonly AllowedHost[],
  target: string,
): { host: string; port: number; literal: boolean } | undefined => {
  const [, wildcard, written = '', portText] = entry.exec(target.toLowerCase()) ?? []
  const host = normal(written)
  const port = Number(portText)
  if (wildcard !== undefined || host === undefined || !Number.isInteger(port)) return undefined
  const allowed = list.some(
    (each) => matches(each, host) && (each.port === null ? port === 443 || port === 80 : each.port === port),
  )
  return allowed ? { host, port, literal: ipaddr.isValid(host) } : undefined
}

/** Whether everything that the one allows is allowed by one of the list. */
export const covers = (list: readonly AllowedHost[], wanted: AllowedHost): boolean =>
  list.some(
    (each) =>
      (each.port === null
        ? wanted.port === null || wanted.port === 443 || wanted.port === 80
        : each.port === wanted.port) &&
      (wanted.below
        ? each.below && (each.name === wanted.name || matches(each, wanted.name))
        : matches(each, wanted.name)),
  )

const matches = ({ name, below }: AllowedHost, host: string): boolean =>
  below ? host.endsWith(`.${name}`) : host === name

/** Forms like 0x7f.1 or 2130706433 are addresses to some resolvers and names to others: they are neither here. */
const normal = (host: string): string | undefined => {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (ipaddr.isValid(bare))
    return ipaddr.IPv4.isValid(bare) && !ipaddr.IPv4.isValidFourPartDecimal(bare) ? undefined : bare
  return bare.length <= 253 && hostName.test(bare) && !/(^|\.)(\d+|0x[0-9a-f]*)$/.test(bare) ? bare : undefined
}
