/** Where in its body an operation names objects, however deep. */
import type { Api, Operation, SchemaNode } from '../endpoints/document.ts'
import { example } from '../endpoints/example.ts'
import { type Kind, kindOfField } from './kinds.ts'

export interface Reference {
  /** `config.skill_ids` */
  name: string
  kind: Kind
  /** The field of the body, with the least around it that is taken, that names this object. */
  naming(id: string): Record<string, unknown>
}

type Part = Record<string, unknown>

export const referencesOf = (api: Api, { path, body }: Operation): Reference[] => {
  const within = (schema: SchemaNode, before: string, wrap: (part: Part) => Part): Reference[] =>
    Object.entries((schema.properties ?? {}) as Record<string, SchemaNode>).flatMap(([field, given]) => {
      const inner = present(api, given)
      const kind = kindOfField(path, field)
      const name = `${before}${field}`
      if (kind !== undefined) return [{ name, kind, naming: (id) => wrap({ [field]: idAs(inner, id) }) }]
      if (inner.type !== 'array')
        return within(inner, `${name}.`, (part) => wrap({ [field]: { ...least(api, inner), ...part } }))
      const item = present(api, (inner.items ?? {}) as SchemaNode)
      return within(item, `${name}.`, (part) => wrap({ [field]: [{ ...least(api, item), ...part }] }))
    })
  return body === undefined ? [] : within(present(api, body), '', (part) => part)
}

/** Without null, which many fields may be. */
const present = (api: Api, given: SchemaNode): SchemaNode => {
  const schema = api.resolve(given)
  const [first] = (schema.anyOf ?? []) as SchemaNode[]
  return first === undefined ? schema : present(api, first)
}

const least = (api: Api, schema: SchemaNode): Part => example(api, schema) as Part

/** A list of ids, switches by id, or the id. */
const idAs = ({ type }: SchemaNode, id: string): unknown => {
  if (type === 'object') return { [id]: true }
  const value = /^\d+$/.test(id) ? Number(id) : id
  return type === 'array' ? [value] : value
}
