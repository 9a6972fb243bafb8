/** Makes the generated document pleasant to read, without changing what it says. */

type Node = { [key: string]: unknown }

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** Drops what the generator adds for machines only: patterns that a format repeats, the bounds of a safe integer, unused schemas. */
export const tidyDocument = <T extends object>(document: T): T => {
  const tidied = tidy(document) as T & { components?: { schemas?: Node } }
  const schemas = tidied.components?.schemas
  if (schemas === undefined) return tidied
  const used = new Set<string>()
  const follow = (value: unknown): void => {
    for (const name of references(value)) {
      if (used.has(name)) continue
      used.add(name)
      follow(schemas[name])
    }
  }
  follow({ ...tidied, components: undefined })
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name]
  return tidied
}

const tidy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(tidy)
  if (!isNode(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => {
        if (key === 'pattern') return value.format === undefined
        if (key === 'propertyNames') return Object.keys(inner as object).join() !== 'type'
        return !((key === 'minimum' || key === 'maximum') && Math.abs(inner as number) === Number.MAX_SAFE_INTEGER)
      })
      .map(([key, inner]) => [key, tidy(inner)]),
  )
}

const prefix = '#/components/schemas/'

function* references(value: unknown): Generator<string> {
  if (!isNode(value)) return
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string' && inner.startsWith(prefix)) yield inner.slice(prefix.length)
    else yield* references(inner)
  }
}
