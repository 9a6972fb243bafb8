/**
 * What the store keeps in place of a large value, and how a client's own data that looks like it is told from it: such data
 * is wrapped as a literal, so that whatever has the mark is ours.
 */
import type { Json, JsonObject } from '@tutti/contracts'

export const mark = '$tutti.payload'

export interface Reference {
  key: string
  /** Of the value as JSON. */
  bytes: number
  sha256: string
}

export const isMarked = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, mark)

export const referenceTo = ({ key, bytes, sha256 }: Reference): JsonObject => ({ [mark]: { key, bytes, sha256 } })

export const literal = (value: Json): JsonObject => ({ [mark]: { literal: value } })

/** The value that was wrapped; undefined when this is no literal. */
export const literalOf = (value: Json): { value: Json } | undefined => {
  const content = contentOf(value)
  return content !== undefined && Object.hasOwn(content, 'literal') ? { value: content.literal ?? null } : undefined
}

/**
 * The reference, if it is one to a payload of this owner. One that names another's is a client's data from a time before
 * payloads were offloaded, made up or not: nobody reads a stranger's payload by writing its key into a job.
 */
export const referenceOf = (value: Json, owner: string): Reference | undefined => {
  const { key, bytes, sha256 } = contentOf(value) ?? {}
  if (typeof key !== 'string' || typeof bytes !== 'number' || typeof sha256 !== 'string') return undefined
  return key.startsWith(owner) && key.endsWith(`/${sha256}`) ? { key, bytes, sha256 } : undefined
}

/** What a list shows in place of a large value. */
export const shortForm = ({ bytes, sha256 }: Reference): JsonObject => ({ [mark]: { bytes, sha256 } })

const contentOf = (value: Json): JsonObject | undefined => {
  if (!isMarked(value) || Object.keys(value).length !== 1) return undefined
  const content = value[mark]
  return typeof content === 'object' && content !== null && !Array.isArray(content) ? content : undefined
}
