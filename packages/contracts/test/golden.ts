/** The golden examples: what each message looks like on the wire, what becomes of it, and what is refused where. */
import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import * as contracts from '../src/index.ts'

const example = z.strictObject({ name: z.string(), given: z.json().optional(), parsed: z.json().optional() })
const refusal = z.strictObject({
  name: z.string(),
  given: z.json(),
  path: z.array(z.union([z.string(), z.number()])),
})
const golden = z.record(z.string(), z.strictObject({ accepted: z.array(example), refused: z.array(refusal) }))

export interface Golden {
  schema: string
  accepted: z.infer<typeof example>[]
  refused: z.infer<typeof refusal>[]
}

const folder = new URL('golden/', import.meta.url)

/** By wire: the name of the file without its ending. */
export const wires: [wire: string, Golden[]][] = readdirSync(folder).map((file) => {
  const examples = golden.parse(JSON.parse(readFileSync(new URL(file, folder), 'utf8')))
  return [file.replace('.json', ''), Object.entries(examples).map(([schema, each]) => ({ schema, ...each }))]
})

/** Everything exported that is a zod type. */
export const schemas = new Map<string, z.ZodType>(
  Object.entries(contracts).flatMap(([name, value]) => (value instanceof z.ZodType ? [[name, value]] : [])),
)

export const schemaOf = (name: string): z.ZodType => {
  const schema = schemas.get(name)
  if (!schema) throw new Error(`there is no schema ${name}`)
  return schema
}
