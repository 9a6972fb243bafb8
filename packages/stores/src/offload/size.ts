import type { Json } from '@tutti/contracts'

/**
 * Whether a value takes more than `limit` characters as JSON, about: escapes are not counted, and counting stops at the
 * limit. So a value of a hundred megabytes costs no more to look at than one at the limit.
 */
export const exceeds = (value: Json, limit: number): boolean => {
  let left = limit
  const count = (part: Json): void => {
    if (typeof part === 'string') left -= part.length + 2
    else if (typeof part !== 'object' || part === null) left -= 5
    else if (Array.isArray(part)) {
      left -= 2 + part.length
      for (let at = 0; at < part.length && left >= 0; at += 1) count(part[at] as Json)
    } else {
      left -= 2
      for (const name in part) {
        left -= name.length + 4
        if (left < 0) return
        count(part[name] as Json)
      }
    }
  }
  count(value)
  return left < 0
}
