/** Whether an answer has the shape that was asked for. Where it counts it is checked again, outside of the sandbox. */
import { type Schema, Validator } from '@cfworker/json-schema'
import type { Json, JsonObject } from '@tutti/contracts'

/** What is wrong with it, in a sentence for the agent; undefined: nothing. A schema that can't be applied finds no fault here. */
export const misfit = (schema: JsonObject, output: Json | undefined): string | undefined => {
  if (output === undefined) return 'there is no structured answer'
  try {
    // The library writes to what it is given.
    const { valid, errors } = new Validator(structuredClone(schema) as Schema, '2020-12', false).validate(output)
    if (valid) return undefined
    // The last and deepest one is where the fault really is.
    const depth = ({ instanceLocation }: { instanceLocation: string }) => instanceLocation.split('/').length
    const deepest = errors.reduce((a, b) => (depth(b) >= depth(a) ? b : a))
    return `${deepest.error.replace(/\.$/, '')} (at ${deepest.instanceLocation})`
  } catch {
    return undefined
  }
}

/** Said to an agent once. */
export const notFitting = (fault: string): string =>
  `Your answer does not fit the JSON Schema that it must have: ${fault}. Give the whole answer again in that shape.`
