/**
 * Reading values whose shape nobody promises: another program's messages, a model's request, a file of unknown origin.
 * A part that is missing or of another kind becomes an empty one; nothing here throws.
 */

export type Loose = Record<string, unknown>

export const isRecord = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const record = (value: unknown): Loose => (isRecord(value) ? value : {})

export const records = (value: unknown): Loose[] => (Array.isArray(value) ? value.filter(isRecord) : [])

export const text = (value: unknown): string => (typeof value === 'string' ? value : '')

export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []

export const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined

/** A count as contracts want it: a whole number that is not negative. */
export const count = (value: unknown): number => Math.max(0, Math.round(finite(value) ?? 0))
