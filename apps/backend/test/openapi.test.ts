import { documentFaults } from '@tutti/openapi/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

/** Shown to a person who follows a signed link. */
const pages = ['GET /_public/requests/:token', 'POST /_public/requests/:token']

test('every-route-is-documented-and-every-documented-one-is-there', async () => {
  expect(await documentFaults(backend.backend.app, ['GET /openapi.json', 'GET /docs', ...pages])).toEqual([])
})

test('the-document-is-there-for-programs-and-for-people', async () => {
  const document = await fetch(`${backend.address}/openapi.json`)
  expect(await document.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'Tutti backend' } })
  const page = await fetch(`${backend.address}/docs`)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  const shown = await page.text()
  expect(shown).toContain('Send a message: to a new session, or to the one named')
  // The page is the orchestrator's, but for what only that has.
  expect(shown).not.toContain('Endpoints of blueprints')
})

test('refusals-name-their-codes', async () => {
  const { paths } = (await (await fetch(`${backend.address}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses: Record<string, { description: string }> }>>
  }
  const { responses } = paths['/api/v1/sessions/{id}']?.patch ?? { responses: {} }
  expect(responses[404]?.description).toBe('`SESSION_NOT_FOUND`, `PROJECT_NOT_FOUND`, `NOT_FOUND`')
  expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '408', '413', '500', '503'])
})
