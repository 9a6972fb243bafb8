/** When a provider that answered 429 takes requests again. */
import type { IncomingHttpHeaders } from 'node:http'

/** Longer waits than this are no limit but a mistake. */
const longestMs = 8 * 86_400_000

/** Milliseconds from `now`; undefined where the answer does not say. */
export const waitOf = (headers: IncomingHttpHeaders, now: number): number | undefined => {
  const asked = retryAfter(headers['retry-after'], now) ?? resetOf(headers, now)
  return asked === undefined ? undefined : Math.min(Math.max(asked, 0), longestMs)
}

const retryAfter = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(ms) ? ms : undefined
}

/** Of several limits the last one to be lifted counts; one that has something left is not what stopped the request. */
const resetOf = (headers: IncomingHttpHeaders, now: number): number | undefined => {
  const resets = Object.entries(headers).flatMap(([name, value]) => {
    const limit = /^anthropic-ratelimit-(.+)-reset$/.exec(name)?.[1]
    if (limit === undefined || typeof value !== 'string') return []
    const left = headers[`anthropic-ratelimit-${limit}-remaining`]
    if (typeof left === 'string' && Number(left) > 0) return []
    // Seconds since the epoch, or a date.
    const at = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value)
    return Number.isFinite(at) ? [at - now] : []
  })
  return resets.length === 0 ? undefined : Math.max(...resets)
}
