import type { BlueprintView } from '@tutti/contracts'
import type { Blueprint } from '@tutti/engine'

export const blueprintView = (blueprint: Blueprint): BlueprintView => ({
  name: blueprint.name,
  version: blueprint.version,
  endpoint: blueprint.endpoint,
  input_schema: blueprint.input?.jsonSchema ?? null,
  states: [...blueprint.states, ...blueprint.ends].map((state) => state.name),
})
