import type { Json } from '@tutti/contracts'

/** The value as it will be when read back: without what JSON does not know. */
export const plainJson = (value: unknown): Json =>
  value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json)
