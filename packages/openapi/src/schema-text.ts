/** JSON Schema as a person reads it: close to TypeScript, one field in a line. */

export interface SchemaNode {
  [key: string]: unknown
}

/** How deep fields are written out; what is deeper is named by its kind. */
const deepest = 4

export const schemaText = (schema: unknown, indent = ''): string => {
  if (!isNode(schema)) return 'any'
  const { $ref, const: constant, enum: values, anyOf, oneOf, allOf, type, items, properties } = schema
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? $ref
  if (constant !== undefined) return JSON.stringify(constant)
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ')
  const kinds = anyOf ?? oneOf
  if (Array.isArray(kinds)) return [...new Set(kinds.map((kind) => schemaText(kind, indent)))].join(' | ')
  if (Array.isArray(allOf)) return allOf.map((part) => schemaText(part, indent)).join(' & ')
  if (Array.isArray(type)) return type.join(' | ')
  if (type === 'array') return listText(schemaText(items, indent))
  if (isNode(properties)) return objectText(schema, properties, indent)
  if (type === 'object') return `{ [name]: ${schemaText(schema.additionalProperties, indent)} }`
  return typeof type === 'string' ? type + limits(schema) : 'any'
}

const listText = (item: string): string => (/[|&]/.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`)

const objectText = ({ required }: SchemaNode, properties: SchemaNode, indent: string): string => {
  const inner = `${indent}  `
  if (inner.length > deepest * 2) return 'object'
  const needed = new Set(Array.isArray(required) ? required : [])
  const fields = Object.entries(properties).map(
    ([name, value]) => `${inner}${name}${needed.has(name) ? '' : '?'}: ${schemaText(value, inner)}${remark(value)}`,
  )
  return fields.length === 0 ? '{}' : `{\n${fields.join('\n')}\n${indent}}`
}

const remark = (value: unknown): string =>
  isNode(value) && typeof value.description === 'string' ? `  // ${value.description}` : ''

const limits = ({ format, minimum, maximum, minLength, maxLength, default: preset }: SchemaNode): string => {
  const told = [
    ...(typeof format === 'string' ? [format] : []),
    ...(minimum === undefined && maximum === undefined ? [] : [`${minimum ?? ''}…${maximum ?? ''}`]),
    ...(minLength === undefined && maxLength === undefined ? [] : [`${minLength ?? 0}…${maxLength ?? ''} characters`]),
    ...(preset === undefined ? [] : [`default ${JSON.stringify(preset)}`]),
  ]
  return told.length === 0 ? '' : ` (${told.join(', ')})`
}

export const isNode = (value: unknown): value is SchemaNode =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
