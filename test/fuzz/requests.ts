/** Hostile requests made of an OpenAPI document: for each operation, what it takes, with something wrong in it. */
import fc from 'fast-check'
import type { Asked } from '../endpoints/call.ts'
import type { Api, Operation, SchemaNode } from '../endpoints/document.ts'
import { example } from '../endpoints/example.ts'
import { hostileBody, hostileHeaders, hostileText, hostileValue } from './values.ts'

/** How long a body is at most: what is longer is refused by its length, and would only make the test slow. */
const longest = 200_000

const nobodys = '6f2a1c84-0000-4000-8000-000000000001'

/** @param known what there is, by the parameter that names it */
export const hostileRequest = (
  api: Api,
  operation: Operation,
  known: Record<string, string> = {},
): fc.Arbitrary<Asked> =>
  fc
    .record({
      method: fc.oneof(
        { weight: 12, arbitrary: fc.constant(operation.method) },
        { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE') },
      ),
      path: pathOf(operation, known),
      query: queryOf(operation),
      headers: hostileHeaders,
      body: operation.body === undefined ? fc.option(hostileBody, { freq: 2 }) : bodyOf(api, operation.body),
    })
    .map(({ method, path, query, headers, body }) => ({
      ...{ method, path: path + query, headers },
      ...(body === null ? {} : { body: body.slice(0, longest) }),
      ...(operation.websocket ? { upgrade: true } : {}),
      ...(operation.stream ? { firstBytes: 1 } : {}),
    }))

const pathOf = ({ path, params }: Operation, known: Record<string, string>): fc.Arbitrary<string> =>
  fc
    .tuple(
      ...Object.entries(params).map(([name, schema]) =>
        fc.oneof(
          { weight: 3, arbitrary: fc.constant(known[name] ?? (schema.format === 'uuid' ? nobodys : '1')) },
          { weight: 2, arbitrary: hostileText.map((text) => encode(text).slice(0, 3_000)) },
          { weight: 1, arbitrary: fc.constantFrom('..', '%', '%zz', '%c0%ae', '.', '*', ':id', '1;2') },
        ),
      ),
    )
    .map((values) => {
      const rest = [...values]
      return path.replaceAll(/\{[^}]+\}/g, () => rest.shift() ?? '')
    })

const queryOf = ({ query }: Operation): fc.Arbitrary<string> => {
  const names = [...Object.keys(query), 'nonsense', '__proto__']
  const pair = fc
    .tuple(fc.constantFrom(...names), hostileText)
    .map(([name, text]) => `${encode(name)}=${encode(text).slice(0, 2_000)}`)
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant('') },
    { weight: 4, arbitrary: fc.array(pair, { minLength: 1, maxLength: 3 }).map((pairs) => `?${pairs.join('&')}`) },
    { weight: 1, arbitrary: fc.constantFrom('?', '?&&&', '?%', '?a[b]=1', `?${'a=1&'.repeat(1_000)}`) },
  )
}

const bodyOf = (api: Api, schema: SchemaNode): fc.Arbitrary<string> => {
  const least = example(api, schema)
  const fields = Object.keys((api.resolve(schema).properties ?? {}) as object)
  const wrong = fc
    .array(fc.tuple(fc.constantFrom(...fields, 'nonsense'), hostileValue), { minLength: 1, maxLength: 2 })
    .map((changes) => write({ ...(least as object), ...Object.fromEntries(changes) }))
  // A field that is right but for something deep inside it.
  const within = fc.tuple(fc.constantFrom(...fields, 'nonsense'), fc.nat(8), hostileValue).map(([field, at, value]) => {
    const property = (api.resolve(schema).properties as Record<string, SchemaNode> | undefined)?.[field]
    return write({ ...(least as object), [field]: property === undefined ? value : inside(api, property, at, value) })
  })
  return fc.oneof(
    { weight: 4, arbitrary: wrong },
    { weight: 4, arbitrary: within },
    { weight: 2, arbitrary: hostileBody },
    { weight: 1, arbitrary: hostileValue.map(write) },
  )
}

/** What a schema takes, with one of its fields replaced, as deep as it goes. */
const inside = (api: Api, given: SchemaNode, at: number, value: unknown): unknown => {
  const schema = api.resolve(given)
  const kinds = (schema.anyOf ?? schema.oneOf) as SchemaNode[] | undefined
  if (kinds?.length) return inside(api, kinds[at % kinds.length] ?? {}, at, value)
  if (schema.type === 'array') return [inside(api, (schema.items ?? {}) as SchemaNode, at + 1, value)]
  const names = Object.keys((schema.properties ?? {}) as object)
  const name = names[at % Math.max(names.length, 1)]
  if (name === undefined) return value
  const property = (schema.properties as Record<string, SchemaNode>)[name] ?? {}
  const least = example(api, { ...schema, default: undefined, ...dropDefault(schema) }) as object
  return { ...least, [name]: inside(api, property, at + 1, value) }
}

const dropDefault = ({ default: _, ...rest }: SchemaNode): SchemaNode => rest

/** JSON has no word for them, and a parser that is asked for them must say so. */
const write = (value: unknown): string => JSON.stringify(value) ?? 'null'

const encode = (text: string): string => encodeURIComponent(text.toWellFormed())
