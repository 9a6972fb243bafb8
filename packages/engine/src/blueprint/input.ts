/** A blueprint's schemas, applied: to what comes in, what workers are sent and answer, and what goes out. */
import type { Json, JsonObject } from '@tutti/contracts'
import type { Blueprint } from './blueprint.ts'
import type { Checked } from './check.ts'

/** The input as the job keeps it, defaults filled in; or the first fault, with its place in the input. */
export const checkInput = (
  blueprint: Pick<Blueprint, 'input'>,
  input: JsonObject,
): { input: JsonObject } | { fault: string; path: string[] } => {
  if (!blueprint.input) return { input }
  const checked = blueprint.input.check(input)
  return 'fault' in checked ? checked : { input: checked.value as JsonObject }
}

/** A finished job's output. */
export const checkOutput = ({ output }: Pick<Blueprint, 'output'>, value: Json): Checked =>
  output ? output.check(value) : { value }

/**
 * The data of an event sent to a job. A blueprint that names its events takes no others: a misspelt name would wait for ever.
 * One that names none takes any.
 */
export const checkEvent = ({ events }: Pick<Blueprint, 'events'>, name: string, data: Json): Checked => {
  const names = Object.keys(events)
  if (names.length === 0) return { value: data }
  if (!Object.hasOwn(events, name)) return { fault: `unknown event: it takes ${names.join(', ')}`, path: [] }
  return events[name]?.check(data) ?? { value: data }
}

/** Params of a task, before it is handed out. */
export const checkParams = ({ skills }: Pick<Blueprint, 'skills'>, skill: string, params: JsonObject): Checked =>
  (Object.hasOwn(skills, skill) && skills[skill]?.params?.check(params)) || { value: params }

/** What a worker answered as a success. A fault counts as the worker's: CONTRACT_VIOLATION_ERROR. */
export const checkResult = ({ skills }: Pick<Blueprint, 'skills'>, skill: string, data: Json): Checked =>
  (Object.hasOwn(skills, skill) && skills[skill]?.result?.check(data)) || { value: data }

/** A fault in one sentence, its place named from `root` on. */
export const faultAt = ({ fault, path }: { fault: string; path: string[] }, root: string): string =>
  `${fault} at ${[root, ...path].join('.')}`
