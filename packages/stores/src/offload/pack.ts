/** From values to references, on the way into the store. */
import { createHash } from 'node:crypto'
import type { Json } from '@tutti/contracts'
import type { PayloadCache } from './cache.ts'
import { isMarked, literal, type Reference, referenceTo } from './reference.ts'
import { exceeds } from './size.ts'
import type { Fill } from './slots.ts'

export interface Upload extends Reference {
  text: string
}

export interface Packer {
  /**
   * Replaces what is large by references under the owner, and adds to `uploads` what is not stored yet.
   * @param trusting whether what this process stored for the owner before is sure to be there still
   */
  fill(owner: string, uploads: Map<string, Upload>, trusting: boolean): Fill
  /** Remembers what a value is, so that it need not be serialised again to find out. */
  know(value: Json, digest: Digest): void
  /** What stands in a list in place of a value stands for the value when it is stored again. */
  standsFor(short: object, reference: Reference): void
}

export interface Digest {
  sha256: string
  bytes: number
}

export const createPacker = (thresholdBytes: number, cache: PayloadCache): Packer => {
  // By identity: the engine replaces values and never changes them, so a value that travels through many steps of its job
  // is looked at once.
  const known = new WeakMap<object, Digest | 'small'>()
  const shorts = new WeakMap<object, Reference>()

  const isSmall = (value: Json): boolean => {
    if (typeof value === 'string') return value.length <= thresholdBytes
    if (typeof value !== 'object' || value === null) return true
    const before = known.get(value)
    if (before !== undefined) return before === 'small'
    const small = !exceeds(value, thresholdBytes)
    if (small) known.set(value, 'small')
    return small
  }

  const digestOf = (value: Json): Digest & { text?: string } => {
    const before = typeof value === 'object' && value !== null ? known.get(value) : undefined
    if (before !== undefined && before !== 'small') return before
    const text = JSON.stringify(value)
    const digest = { sha256: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) }
    if (typeof value === 'object' && value !== null) known.set(value, digest)
    return { ...digest, text }
  }

  return {
    know: (value, digest) => {
      if (typeof value === 'object' && value !== null) known.set(value, digest)
    },
    standsFor: (short, reference) => shorts.set(short, reference),
    fill: (owner, uploads, trusting) => {
      const wholeInto =
        (into: Map<string, Upload>): Fill =>
        (value) => {
          const listed = typeof value === 'object' && value !== null ? shorts.get(value) : undefined
          if (listed?.key.startsWith(owner)) return referenceTo(listed)
          if (isSmall(value)) return isMarked(value) ? literal(value) : value
          const { text, ...digest } = digestOf(value)
          const reference = { ...digest, key: `${owner}${digest.sha256}` }
          if (!(trusting && cache.isStored(reference.key)) && !uploads.has(reference.key))
            into.set(reference.key, { ...reference, text: text ?? JSON.stringify(value) })
          return referenceTo(reference)
        }
      const whole = wholeInto(uploads)
      return (value) => {
        if (typeof value !== 'object' || value === null || isMarked(value)) return whole(value)
        if (isSmall(value)) return mapParts(value, whole)
        // Part by part first: a job that adds a number to its data does not store the film beside it anew.
        const parts = new Map<string, Upload>()
        const filled = mapParts(value, wholeInto(parts))
        if (!isSmall(filled)) return whole(value)
        for (const [key, upload] of parts) uploads.set(key, upload)
        return filled
      }
    },
  }
}

/** The container with its parts replaced; the same one, without a copy being made, when none is: the common case. */
export const mapParts = (value: Json, map: Fill): Json => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.some((part) => map(part) !== part) ? value.map(map) : value
  for (const name in value) {
    const part = value[name] as Json
    if (map(part) === part) continue
    return Object.fromEntries(Object.entries(value).map(([each, content]) => [each, map(content)]))
  }
  return value
}
