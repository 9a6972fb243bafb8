/** What a server's document lacks. */
import type { FastifyInstance, RouteOptions } from 'fastify'
import { registeredRoutes } from '../document.ts'

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  security?: Record<string, string[]>[]
  parameters?: { name: string; in: string }[]
  responses: Record<string, { description?: string; content?: object }>
}

interface Document {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
}

/**
 * Every registered route is in the document, unless it is named as hidden; every documented one is registered; and each says
 * what it is called, whom it lets in and what it answers. @returns a sentence for each fault, with what to add
 * @param hidden routes that are not to be shown, as `GET /docs`
 */
export const documentFaults = async (app: FastifyInstance, hidden: readonly string[]): Promise<string[]> => {
  await app.ready()
  const document = app.swagger() as unknown as Document
  const routes = registeredRoutes(app).flatMap((route) =>
    [route.method].flat().map((method) => ({ name: `${method} ${route.url}`, route, method })),
  )
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const faults: string[] = []
  const registered = new Set(routes.map(({ method, route }) => `${method.toLowerCase()} ${pathOf(route)}`))
  for (const { path, method } of operations)
    if (!registered.has(`${method} ${path}`)) faults.push(`${method} ${path} is documented and not registered`)
  const ids = operations.map(({ operation }) => operation.operationId)
  for (const { name, route, method } of routes) {
    const methods = document.paths[pathOf(route)]
    // It is GET without a body.
    if (method === 'HEAD' && methods?.get !== undefined) continue
    const operation = methods?.[method.toLowerCase()]
    if (operation === undefined) {
      if (!hidden.includes(name.replace(/^HEAD /, 'GET ')))
        faults.push(`${name} is not in the document: don’t hide it, or name it as hidden`)
      continue
    }
    if (hidden.includes(name)) faults.push(`${name} is in the document, though it is named as hidden`)
    faults.push(...operationFaults(document, operation, ids).map((fault) => `${name}: ${fault}`))
    const declared = (operation.parameters ?? []).filter((each) => each.in === 'path').map((each) => each.name)
    const inPath = [...pathOf(route).matchAll(/\{([^}]+)\}/g)].map(([, each]) => each)
    if (declared.join() !== inPath.join()) faults.push(`${name}: say \`params\` of its schema: ${inPath.join(', ')}`)
  }
  return faults
}

const operationFaults = (document: Document, operation: Operation, ids: (string | undefined)[]): string[] => {
  const { operationId, summary, tags = [], security, responses } = operation
  const faults: string[] = []
  if (!/^[a-z]\w+$/i.test(operationId ?? '')) faults.push('say `operationId`, a word')
  else if (ids.filter((each) => each === operationId).length > 1)
    faults.push(`its operationId ${operationId} has been taken`)
  if (!summary) faults.push('say `summary`, a short sentence')
  if (tags.length === 0) faults.push('say `tags`')
  for (const tag of tags)
    if (!document.tags.some(({ name }) => name === tag))
      faults.push(`describe the tag ${tag} where the document is made`)
  if (security === undefined) faults.push('say `security`: [] for everybody, or register it in a scope that says it')
  const statuses = Object.keys(responses)
  if (!statuses.some((status) => /^[123]/.test(status)) || (statuses.join() === '200' && !responses[200]?.content))
    faults.push('say `response: { 200: envelope(…) }`')
  return faults
}

const pathOf = ({ url }: RouteOptions): string =>
  url
    .replaceAll(/:(\w+)/g, '{$1}')
    .replace('*', '{*}')
    .replace(/(.)\/$/, '$1')
