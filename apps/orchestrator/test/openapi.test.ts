import { expect, test } from 'vitest'
import { startServer } from './support/server.ts'

interface Operation {
  summary?: string
  parameters?: { name: string; in: string; required?: boolean; schema: object }[]
  responses: Record<string, { description: string }>
  security?: object[]
}

const document = async () => {
  const server = await startServer()
  const { status, body } = await server.call('GET', '/_public/openapi.json')
  expect(status).toBe(200)
  const operations = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  return { server, body, operations }
}

const references = (value: unknown): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) =>
        key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
      )
    : []

test('openapi-document-is-valid: 3.1, every reference leads somewhere, every path parameter is declared', async () => {
  const { body, operations } = await document()
  expect(body.openapi).toBe('3.1.0')
  expect(body.info).toMatchObject({ title: expect.any(String), version: expect.any(String) })

  const names = new Set(references(body.paths))
  expect(names.size).toBeGreaterThan(5)
  for (const reference of references(body)) {
    const target = reference
      .slice(2)
      .split('/')
      .reduce((node, key) => node?.[key], body)
    expect(target, reference).toBeDefined()
  }
  for (const { path, method, operation } of operations) {
    const place = `${method} ${path}`
    expect(operation.summary, place).toBeTruthy()
    expect(Object.keys(operation.responses).length, place).toBeGreaterThan(0)
    for (const response of Object.values(operation.responses)) expect(response.description, place).toBeTypeOf('string')
    const declared = (operation.parameters ?? []).filter((each) => each.in === 'path').map((each) => each.name)
    expect(declared, place).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]))
    for (const scheme of (operation.security ?? []).flatMap(Object.keys))
      expect(body.components.securitySchemes, place).toHaveProperty(scheme)
  }
})

test('every-documented-client-path-answers, and none of them without a token', async () => {
  const { server, operations } = await document()
  const client = operations.filter(({ path }) => path.startsWith('/api/') || path.includes('/webhooks/'))
  expect(client.length).toBeGreaterThan(12)
  for (const { path, method } of client) {
    const address = path.replaceAll(/\{\w+\}/g, 'nobody')
    const place = `${method} ${path}`
    const stranger = await server.call(method.toUpperCase(), address, undefined, { 'x-avtomatika-token': 'guessed' })
    expect(stranger.status, place).toBe(401)
    // It never ends: that it begins is enough.
    if (path === '/api/v1/stream') continue
    const answer = await server.call(method.toUpperCase(), address)
    // What an installation may leave out says so; all else works.
    expect(answer.status === 501 ? 400 : answer.status, place).toBeLessThan(500)
    // Unknown paths answer 404 as well, with another code.
    if (answer.status >= 400) expect(answer.body.code, place).not.toBe('NOT_FOUND')
  }
})

test('the older prefix has the same paths, undocumented', async () => {
  const { server, operations } = await document()
  expect(operations.filter(({ path }) => /^\/api\/(?!v1\/)/.test(path))).toEqual([])
  expect((await server.call('GET', '/api/jobs/quarantined')).body).toEqual([])
  expect((await server.call('POST', '/api/pictures/shrink', { url: 'https://example.org/a.png' })).status).toBe(202)
})

test('the input of a blueprint is shown at its endpoint', async () => {
  const { body } = await document()
  const { schema } = body.paths['/api/v1/pictures/shrink'].post.requestBody.content['application/json']
  expect(schema.properties.initial_data.properties.url).toEqual({ type: 'string', format: 'uri' })
})

test('the page that shows the document needs no other host, no script, and lists the endpoints of blueprints', async () => {
  const { server, operations } = await document()
  const page = await server.call('GET', '/_public/docs', undefined, { accept: 'text/html' })
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(page.body).not.toMatch(/<script|src=|@import|url\(/)
  const links = [...page.body.matchAll(/href="([^"]+)"/g)].map((match) => match[1])
  const ids = new Set([...page.body.matchAll(/id="([^"]+)"/g)].map((match) => match[1]))
  expect(links.filter((link) => link.startsWith('#') && !ids.has(link.slice(1)))).toEqual([])
  const others = links.filter((link) => !link.startsWith('#'))
  expect(others).toEqual(['openapi.json'])
  expect((await server.call('GET', `/_public/${others[0]}`)).status).toBe(200)

  const shown = page.body.replaceAll('<wbr>', '')
  expect(shown).toContain('<code>/api/v1/pictures/shrink</code>')
  expect(shown).toContain('Create a job of publish, version 1')
  for (const { path, operation } of operations) {
    expect(shown).toContain(`<code>${path}</code>`)
    expect(shown).toContain(`<span>${operation.summary?.replaceAll("'", '&#39;')}</span>`)
  }
})

test('every operation of clients has a name of its own', async () => {
  const { body, operations } = await document()
  const names = operations
    .filter(({ path }) => !path.startsWith('/_worker'))
    .map(({ path, method }) => body.paths[path][method].operationId as unknown)
  expect(names.filter((name) => typeof name !== 'string' || !/^[a-z]\w+$/i.test(name))).toEqual([])
  expect(new Set(names).size).toBe(names.length)
})
