/**
 * The one shape that the engine knows schemas in, whatever they were written in: zod in TypeScript, JSON Schema in JSON blueprints.
 */
import type { Json, JsonObject } from '@tutti/contracts'
import { z } from 'zod'

/** The value as it is kept, or the first fault with its place in the value. */
export type Checked = { value: Json } | { fault: string; path: string[] }

export interface Check {
  /** Never throws. */
  check(value: Json): Checked
  /** The same as JSON Schema; null where it can't be said in it. */
  readonly jsonSchema: JsonObject | null
}

/** A zod schema. Defaults are filled in and transforms done; what comes out is kept as JSON. */
export const zodCheck = (schema: z.ZodType): Check => {
  let shown: { schema: JsonObject | null } | undefined
  return {
    check: (value) => {
      const parsed = schema.safeParse(value)
      if (parsed.success) return { value: asJson(parsed.data) }
      const [issue] = parsed.error.issues
      return { fault: issue?.message ?? 'refused', path: (issue?.path ?? []).map(String) }
    },
    get jsonSchema() {
      shown ??= { schema: describe(schema) }
      return shown.schema
    },
  }
}

const describe = (schema: z.ZodType): JsonObject | null => {
  try {
    return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonObject
  } catch {
    return null
  }
}

const asJson = (value: unknown): Json => (value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json))
