/** From references to values, on the way out of the store. */
import { createHash } from 'node:crypto'
import { type Json, TuttiError } from '@tutti/contracts'
import { freeze, type PayloadCache } from './cache.ts'
import { mapParts, type Packer } from './pack.ts'
import type { Payloads } from './payloads.ts'
import { isMarked, literalOf, type Reference, referenceOf, shortForm } from './reference.ts'
import type { Fill } from './slots.ts'

/** How something that has slots is walked: `inJob` and its kin, with the thing in them. */
export type Walk<T> = (thing: T, fill: Fill) => T

export interface Unpacker {
  /** @throws TuttiError STORE_UNAVAILABLE, PAYLOAD_LOST */
  whole<T>(thing: T, owner: string, walk: Walk<T>): Promise<T>
  /** The same, with short forms in place of payloads that are lost. @throws TuttiError STORE_UNAVAILABLE */
  surviving<T>(thing: T, owner: string, walk: Walk<T>): Promise<T>
  /** Short forms in place of all payloads; nothing is fetched. */
  short<T>(thing: T, owner: string, walk: Walk<T>): T
}

export const createUnpacker = (payloads: Payloads, cache: PayloadCache, packer: Packer): Unpacker => {
  const loading = new Map<string, Promise<Json>>()

  const fetchValue = async ({ key, bytes, sha256 }: Reference): Promise<Json> => {
    const text = await read(payloads, key)
    if (createHash('sha256').update(text).digest('hex') !== sha256)
      throw new TuttiError('PAYLOAD_LOST', `The payload ${key} is not what was stored`)
    cache.put(key, text)
    cache.stored(key)
    const value = cache.value(key) ?? freeze(JSON.parse(text) as Json)
    packer.know(value, { sha256, bytes })
    return value
  }
  const load = (reference: Reference): Promise<Json> => {
    const cached = cache.value(reference.key)
    if (cached !== undefined) {
      packer.know(cached, reference)
      return Promise.resolve(cached)
    }
    const before = loading.get(reference.key)
    if (before) return before
    const work = fetchValue(reference).finally(() => loading.delete(reference.key))
    loading.set(reference.key, work)
    return work
  }
  const short = (reference: Reference): Json => {
    const form = shortForm(reference)
    packer.standsFor(form, reference)
    return form
  }

  const resolve = async <T>(thing: T, owner: string, walk: Walk<T>, lost: (error: unknown, to: Reference) => Json) => {
    const found = new Map<string, Reference>()
    const looked = walk(
      thing,
      filling(owner, (reference) => {
        found.set(reference.key, reference)
        return null
      }),
    )
    if (found.size === 0) return looked
    const values = new Map<string, Json>()
    for (const reference of found.values())
      values.set(reference.key, await load(reference).catch((error: unknown) => lost(error, reference)))
    return walk(
      thing,
      filling(owner, ({ key }) => values.get(key) ?? null),
    )
  }

  return {
    whole: (thing, owner, walk) =>
      resolve(thing, owner, walk, (error) => {
        throw error
      }),
    surviving: (thing, owner, walk) =>
      resolve(thing, owner, walk, (error, reference) => {
        if (error instanceof TuttiError && error.code === 'PAYLOAD_LOST') return short(reference)
        throw error
      }),
    short: (thing, owner, walk) => walk(thing, filling(owner, short)),
  }
}

const filling = (owner: string, replace: (reference: Reference) => Json): Fill => {
  const whole: Fill = (value) => {
    if (!isMarked(value)) return value
    const wrapped = literalOf(value)
    if (wrapped) return wrapped.value
    const reference = referenceOf(value, owner)
    return reference ? replace(reference) : value
  }
  return (value) => (isMarked(value) ? whole(value) : mapParts(value, whole))
}

const read = async (payloads: Payloads, key: string): Promise<string> => {
  try {
    const { stream } = await payloads.get(key)
    const chunks: Uint8Array[] = []
    for await (const chunk of stream) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  } catch (error) {
    const { code } = error as { code?: unknown }
    throw code === 'NOT_FOUND' || code === 'CORRUPT'
      ? new TuttiError('PAYLOAD_LOST', `The payload ${key} is missing or damaged`, { cause: error })
      : new TuttiError('STORE_UNAVAILABLE', 'A payload can’t be read now', { cause: error })
  }
}
