import fastify, { type FastifyInstance } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { documentRoutes, failures, inDocument } from '../src/index.ts'
import { checkAnswers, documentFaults } from '../src/testing/index.ts'

const serve = (routes: FastifyPluginAsyncZod): FastifyInstance => {
  const app = fastify()
  app.setValidatorCompiler(() => (value: unknown) => ({ value }))
  app.setSerializerCompiler(() => JSON.stringify)
  documentRoutes(app, {
    ...{ title: 'Test', description: '', schemas: {} },
    tags: [{ name: 'things', description: '' }],
    securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-Key' } },
  })
  app.register(async (scope) => {
    inDocument(scope, { failures: ['FORBIDDEN'] })
    await scope.register(routes)
  })
  return app
}

const said = { tags: ['things'], operationId: 'readThing', summary: 'Read it', security: [{ key: [] }] }
const response = { 200: z.object({ name: z.string() }), ...failures('RUN_NOT_FOUND') }
const refusal = (code: string) => ({ code: 40400, message: '', data: { code, hint: '', retryable: false } })

test('what-a-route-does-not-say-is-found-with-what-to-add', async () => {
  const app = serve(async (scope) => {
    scope.get('/good/:id', { schema: { ...said, params: z.object({ id: z.string() }), response } }, async () => ({
      name: 'a',
    }))
    scope.get('/bare', async () => ({}))
    scope.get('/again', { schema: { ...said, response } }, async () => ({ name: 'a' }))
    scope.get('/secret', { schema: { ...said, hide: true } }, async () => ({}))
    const unknown = { ...said, operationId: 'other', tags: ['stuff'] }
    scope.post('/unknown', { schema: { ...unknown, response } }, async () => ({ name: 'a' }))
  })
  const faults = await documentFaults(app, [])
  expect(faults.filter((fault) => fault.startsWith('GET /good'))).toEqual([
    'GET /good/:id: its operationId readThing has been taken',
  ])
  expect(faults.filter((fault) => fault.startsWith('GET /bare'))).toEqual([
    'GET /bare: say `operationId`, a word',
    'GET /bare: say `summary`, a short sentence',
    'GET /bare: say `tags`',
    'GET /bare: say `security`: [] for everybody, or register it in a scope that says it',
    'GET /bare: say `response: { 200: envelope(…) }`',
  ])
  expect(faults).toContain('GET /secret is not in the document: don’t hide it, or name it as hidden')
  expect(faults).toContain('POST /unknown: describe the tag stuff where the document is made')
})

test('answers-that-the-document-does-not-know-are-found', async () => {
  const schema = { ...said, response, querystring: z.object({ answer: z.string() }) }
  const answers: Record<string, [number, unknown]> = {
    good: [200, { name: 'a' }],
    gone: [404, refusal('RUN_NOT_FOUND')],
    other: [404, refusal('SESSION_NOT_FOUND')],
    late: [409, refusal('LEASE_LOST')],
    kind: [200, { name: 1 }],
    more: [200, { name: 'a', password: 'secret' }],
  }
  const app = serve(async (scope) => {
    scope.get('/thing', { schema }, async ({ query }, reply) => {
      const [status, body] = answers[query.answer] ?? [200, {}]
      return reply.code(status as 200).send(body as { name: string })
    })
  })
  const faults = checkAnswers(app)
  const ask = async (answer: string) => {
    const before = faults()
    await app.inject({ url: '/thing', query: { answer } })
    return faults().filter((fault) => !before.includes(fault))
  }
  expect(await ask('good')).toEqual([])
  expect(await ask('gone')).toEqual([])
  expect(await ask('other')).toEqual(["GET /thing answered 404: add ...failures('SESSION_NOT_FOUND') to `response`"])
  expect(await ask('late')).toEqual([
    "GET /thing answered 409: its schema has no such answer: add ...failures('LEASE_LOST')",
  ])
  expect((await ask('kind'))[0]).toMatch(/^GET \/thing answered 200: name: /)
  expect(await ask('more')).toEqual([
    'GET /thing answered 200: password is not in its schema: add the field, or don’t send it',
  ])
})

test('codes-of-a-route-and-of-its-scope-share-a-status', async () => {
  const app = serve(async (scope) => {
    const params = z.object({ id: z.uuid() })
    scope.delete('/things/:id', { schema: { ...said, params, response: failures('FILE_DENIED') } }, async () => {})
  })
  await app.ready()
  const { responses } = app.swagger().paths?.['/things/{id}']?.delete ?? {}
  expect(responses).toMatchObject({
    400: { description: '`INVALID_BODY`' },
    403: { description: '`FILE_DENIED`, `FORBIDDEN`' },
    404: { description: '`NOT_FOUND`' },
    413: { description: '`PAYLOAD_TOO_LARGE`' },
  })
})
