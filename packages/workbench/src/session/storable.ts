import type { Json } from '@tutti/contracts'

/**
 * JSON that PostgreSQL can hold. Its text knows no NUL and no half surrogate pairs, and tools print both: unchanged, one
 * such character would have the whole batch refused, again at every try, and so end the turn.
 */
export const storable = <T extends Json>(value: T): T => clean(value) as T

const clean = (value: Json): Json => {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), clean(item)]))
  return value
}

const cleanText = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')
