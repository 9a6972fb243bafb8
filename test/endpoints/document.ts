/** The OpenAPI document of a running server, as a list of what it can be asked. */
import { Validator } from '@seriousme/openapi-schema-validator'

export interface SchemaNode {
  [key: string]: unknown
}

export interface Operation {
  /** `GET /api/v1/sessions/{id}`: how failures and exceptions name it. */
  name: string
  id: string
  method: string
  path: string
  /** Names of the schemes of which one is enough; none: open to everybody. Undefined: the document does not say. */
  security: string[] | undefined
  params: Record<string, SchemaNode>
  query: Record<string, SchemaNode>
  body: SchemaNode | undefined
  /** Of its answers, as the document names them: `404`, or `4XX` for all that begin so. */
  statuses: string[]
  websocket: boolean
  /** It never ends by itself. */
  stream: boolean
}

export interface Api {
  operations: Operation[]
  /** Follows `$ref`. */
  resolve(schema: SchemaNode): SchemaNode
  /** What is wrong with the document itself; null: nothing. */
  invalid: unknown
}

interface Described {
  operationId?: string
  security?: Record<string, string[]>[]
  parameters?: { name: string; in: string; schema: SchemaNode }[]
  requestBody?: { content: { 'application/json'?: { schema: SchemaNode } } }
  responses: Record<string, { content?: Record<string, unknown> }>
}

export const readApi = async (url: string): Promise<Api> => {
  const document = (await (await fetch(url)).json()) as {
    paths: Record<string, Record<string, Described>>
    components: { schemas?: Record<string, SchemaNode> }
  }
  const checked = await new Validator().validate(structuredClone(document))
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]): Operation => {
      const { operationId = '', security, parameters = [], requestBody, responses } = described
      const of = (where: string) =>
        Object.fromEntries(parameters.filter((each) => each.in === where).map(({ name, schema }) => [name, schema]))
      return {
        ...{ name: `${method.toUpperCase()} ${path}`, id: operationId, method: method.toUpperCase(), path },
        security: security?.flatMap((each) => Object.keys(each)),
        ...{ params: of('path'), query: of('query') },
        body: requestBody?.content['application/json']?.schema,
        statuses: Object.keys(responses).map((status) => status.toUpperCase()),
        websocket: '101' in responses,
        stream: Object.values(responses).some(({ content = {} }) => 'text/event-stream' in content),
      }
    }),
  )
  const resolve = (schema: SchemaNode): SchemaNode => {
    if (typeof schema.$ref !== 'string') return schema
    const [, name = ''] = /^#\/components\/schemas\/(.+)$/.exec(schema.$ref) ?? []
    return resolve(document.components.schemas?.[name] ?? {})
  }
  return { operations, resolve, invalid: checked.valid ? null : checked.errors }
}

/** The address with its parameters filled in. */
export const fill = ({ path }: Operation, params: Record<string, string>): string =>
  path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? 'x'))
