/** What a run's answer must be. Checked here: what runs in a sandbox may say that it fits. */
import type { Json, JsonObject } from '@tutti/contracts'
import { faultAt, schemaCheck } from '@tutti/engine'

/** Why nothing can be checked by this schema; undefined: it can. */
export const schemaFault = (schema: JsonObject | null | undefined): { fault: string; path: string } | undefined => {
  if (schema === null || schema === undefined) return undefined
  const check = schemaCheck(schema)
  const [first] = 'faults' in check ? check.faults : []
  return first && { fault: first.fault, path: first.path.replace(/^schema/, 'output_schema') }
}

/** What is wrong with an answer; undefined: nothing, or nothing was asked for. */
export const outputFault = (schema: JsonObject | undefined, output: Json | undefined): string | undefined => {
  if (schema === undefined) return undefined
  if (output === undefined) return 'there is no structured answer'
  const check = schemaCheck(schema)
  if ('faults' in check) return 'the schema can’t be applied'
  const checked = check.check(output)
  return 'fault' in checked ? faultAt(checked, 'output') : undefined
}
