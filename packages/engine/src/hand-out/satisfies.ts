/** Whether a value that a worker has is one that a task wants. */
import { isDeepStrictEqual } from 'node:util'
import type { Json, JsonObject } from '@tutti/contracts'
import type { Wanted } from '../job/needs.ts'

/** A number: at least as much. A list: any of its members. Else: equal, or a member of the list that the worker has. */
export const satisfies = (wanted: Wanted, has: Json | undefined): boolean => {
  if (has === undefined || has === null) return false
  if (Array.isArray(wanted)) return wanted.some((each) => each === has || (Array.isArray(has) && has.includes(each)))
  if (typeof wanted === 'number') return typeof has === 'number' && has >= wanted
  return has === wanted || (Array.isArray(has) && has.includes(wanted))
}

/** The first property that is not as wanted, or null. */
export const firstUnsatisfied = (wanted: Record<string, Wanted> | undefined, has: JsonObject): string | null =>
  Object.entries(wanted ?? {}).find(([name, value]) => !satisfies(value, own(has, name)))?.[0] ?? null

/** The same, where only what is equal will do. */
export const firstUnequal = (wanted: Record<string, Json> | undefined, has: JsonObject): string | null =>
  Object.entries(wanted ?? {}).find(([name, value]) => !isDeepStrictEqual(value, own(has, name)))?.[0] ?? null

const own = (has: JsonObject, name: string): Json | undefined => (Object.hasOwn(has, name) ? has[name] : undefined)
