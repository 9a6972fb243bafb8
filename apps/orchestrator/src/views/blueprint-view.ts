import type { BlueprintView, JsonObject } from '@tutti/contracts'
import type { Blueprint } from '@tutti/engine'
import { z } from 'zod'

export const blueprintView = (blueprint: Blueprint): BlueprintView => ({
  name: blueprint.name,
  version: blueprint.version,
  endpoint: blueprint.endpoint,
  input_schema: inputSchema(blueprint),
  states: [...blueprint.states, ...blueprint.ends].map((state) => state.name),
})

/** The input as JSON Schema; null where a blueprint takes anything, or asks for something that JSON Schema can't say. */
export const inputSchema = ({ input }: Blueprint): JsonObject | null => {
  if (input === null) return null
  try {
    return z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as JsonObject
  } catch {
    return null
  }
}
