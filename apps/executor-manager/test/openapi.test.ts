import { documentFaults } from '@tutti/openapi/testing'
import { silentLogger } from '@tutti/telemetry'
import { expect, it } from 'vitest'
import { type ApiDeps, createApi } from '../src/api/server.ts'

it('every-route-is-documented-and-every-documented-one-is-there', async () => {
  // Nothing is asked of it.
  const app = createApi({ log: silentLogger } as ApiDeps, {
    ...{ internalToken: 'a-token', accessLog: false, requestMs: 1_000, callbacks: undefined },
  })
  expect(await documentFaults(app, ['GET /openapi.json', 'GET /docs'])).toEqual([])
  const document = await app.inject('/openapi.json')
  expect(document.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'Tutti executor manager' } })
  expect((await app.inject('/docs')).body).toContain('Take what waits now')
  await app.close()
})
