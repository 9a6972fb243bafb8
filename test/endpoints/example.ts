/** The least that a schema takes. */
import type { Api, SchemaNode } from './document.ts'

/** Tried in turn where a pattern has to be met. */
const candidates = ['a', 'name', '0', '2026-11', '2026-11-22', '12:00', 'a'.repeat(64), '0'.repeat(64), 'A_NAME', 'a/b']

/** @throws Error for a pattern that none of the candidates meets: add one that does */
export const example = (api: Api, given: SchemaNode): unknown => {
  const schema = api.resolve(given)
  if ('const' in schema) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if ('default' in schema && schema.default !== null) return schema.default
  const kinds = (schema.anyOf ?? schema.oneOf) as SchemaNode[] | undefined
  if (kinds) return example(api, kinds[0] ?? {})
  if (Array.isArray(schema.allOf)) return Object.assign({}, ...schema.allOf.map((part) => example(api, part)))
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'object':
      return exampleObject(api, schema)
    case 'array':
      return Array.from({ length: Number(schema.minItems ?? 0) }, () =>
        example(api, (schema.items ?? {}) as SchemaNode),
      )
    case 'integer':
    case 'number':
      return Number(schema.minimum ?? (schema.exclusiveMinimum === undefined ? 1 : Number(schema.exclusiveMinimum) + 1))
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return exampleText(schema)
  }
}

const exampleObject = (api: Api, schema: SchemaNode): Record<string, unknown> => {
  const properties = (schema.properties ?? {}) as Record<string, SchemaNode>
  const required = (schema.required ?? []) as string[]
  return Object.fromEntries(required.map((name) => [name, example(api, properties[name] ?? {})]))
}

const exampleText = ({ format, pattern, minLength }: SchemaNode): string => {
  if (format === 'uuid') return '0d9d7b1e-52a4-4f0b-8e36-7a1f20c4d902'
  if (format === 'date-time') return '2026-11-22T12:00:00Z'
  if (format === 'date') return '2026-11-22'
  if (format === 'uri') return 'https://example.org/a'
  if (typeof pattern === 'string') {
    const found = candidates.find((each) => new RegExp(pattern, 'u').test(each))
    if (found === undefined) throw new Error(`no candidate meets ${pattern}: add one to test/endpoints/example.ts`)
    return found
  }
  return 'word'.padEnd(Number(minLength ?? 0), 'x')
}
