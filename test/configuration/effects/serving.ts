/** Where the server listens, and what it answers to whom. */
import { startOrchestrator } from '@tutti/orchestrator'
import { freePort } from '@tutti/stores/testing'
import { expect } from 'vitest'
import { approval, errand } from '../blueprints.ts'
import { certificate, create, receiver, secureStatus } from '../jobs.ts'
import { caller, serve, until } from '../server.ts'
import type { Effects } from './effects.ts'

export const serving: Effects = {
  TUTTI_ENV: async () => {
    await serve({ TUTTI_ENV: 'development', CLIENT_TOKEN: 'change-this' })
    await expect(serve({ TUTTI_ENV: 'production', CLIENT_TOKEN: 'change-this' })).rejects.toThrow(/CLIENT_TOKEN/)
  },

  API_HOST: async () => {
    const { port } = await serve({ API_HOST: '127.0.0.2' })
    expect((await caller(`http://127.0.0.2:${port}`).get('/_public/status')).status).toBe(200)
    await expect(caller(`http://127.0.0.1:${port}`).get('/_public/status')).rejects.toThrow()
  },

  API_PORT: async () => {
    const port = await freePort()
    const server = await serve({ API_PORT: String(port) })
    expect((await caller(`http://127.0.0.1:${port}`).get('/_public/status')).status).toBe(200)
    expect(server.port).toBe(port)
  },

  START_WAIT_SECONDS: async () => {
    const [port, databasePort] = [await freePort(), await freePort()]
    const env = {
      ...{ STORAGE: 'postgres', DATABASE_URL: `postgres://it@127.0.0.1:${databasePort}/it`, START_WAIT_SECONDS: '2' },
      ...{ API_HOST: '127.0.0.1', API_PORT: String(port), LOG_LEVEL: 'ERROR', TUTTI_ENV: 'development' },
    }
    const began = performance.now()
    const refused = expect(startOrchestrator(env, { waits: true })).rejects.toThrow(/DATABASE_URL/)
    const { get } = caller(`http://127.0.0.1:${port}`)
    await until(async () => (await get('/_public/health').catch(() => undefined))?.status === 503)
    expect((await get('/_public/health')).body.data).toMatchObject({ status: 'starting', waiting_for: 'PostgreSQL' })
    await refused
    expect(performance.now() - began).toBeGreaterThan(1_990)
  },

  ENABLE_CLIENT_API: async () => {
    expect((await (await serve({})).get('/api/v1/jobs')).status).toBe(200)
    const without = await serve({ ENABLE_CLIENT_API: 'false' })
    expect((await without.get('/api/v1/jobs')).status).toBe(404)
    expect((await without.post('/_worker/workers/register', { worker_id: 'w' })).status).toBe(200)
  },

  CLIENT_API_PREFIX: async () => {
    const moved = await serve({ CLIENT_API_PREFIX: '/engine/' })
    expect((await moved.get('/engine/v1/jobs')).status).toBe(200)
    expect((await moved.get('/api/v1/jobs')).status).toBe(404)
    expect((await (await serve({ CLIENT_API_PREFIX: '/' })).get('/v1/jobs')).status).toBe(200)
  },

  ...Object.fromEntries(
    ['TLS_ENABLED', 'TLS_CERT_PATH', 'TLS_KEY_PATH'].map((name) => [
      name,
      async () => {
        const { cert, key } = certificate()
        const { port } = await serve({ TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key })
        expect(await secureStatus(port, { ca: cert })).toBe(200)
      },
    ]),
  ),
  ...Object.fromEntries(
    ['TLS_CA_PATH', 'TLS_REQUIRE_CLIENT_CERT'].map((name) => [
      name,
      async () => {
        const { cert, key } = certificate()
        const stranger = certificate()
        const tls = { TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key, TLS_CA_PATH: cert }
        const strict = await serve({ ...tls, TLS_REQUIRE_CLIENT_CERT: 'true' })
        expect(await secureStatus(strict.port, { ca: cert, cert, key })).toBe(200)
        await expect(secureStatus(strict.port, { ca: cert })).rejects.toThrow()
        await expect(secureStatus(strict.port, { ca: cert, cert: stranger.cert, key: stranger.key })).rejects.toThrow()
        const lenient = await serve(tls)
        expect(await secureStatus(lenient.port, { ca: cert })).toBe(200)
      },
    ]),
  ),
  PUBLIC_URL: async () => {
    const { url, received } = await receiver()
    const env = { WEBHOOK_ALLOW_PRIVATE: 'true', CLIENT_TOKEN: 'mine' }
    const linkOf = async (more: Record<string, string>): Promise<string> => {
      const server = await serve({ ...env, ...more }, { blueprints: [approval] })
      await server.post('/api/v1/jobs', { blueprint: 'approval', webhook_url: url }, { 'x-client-token': 'mine' })
      const sent = await until(async () => received.shift())
      return JSON.parse(sent.body.toString()).approval_urls.anybody
    }
    expect(await linkOf({ PUBLIC_URL: 'https://tutti.example.org/at/' })).toMatch(
      /^https:\/\/tutti\.example\.org\/at\/_public\/approvals\/./,
    )
    const port = await freePort()
    const link = await linkOf({ API_PORT: String(port) })
    expect(link).toContain(`http://localhost:${port}/_public/approvals/`)
    expect((await fetch(link)).status).toBe(200)
  },

  DETAILED_API_RESPONSES: async () => {
    const fieldsOf = async (env: Record<string, string>): Promise<string[]> => {
      const server = await serve(env, { blueprints: [errand] })
      const { job_id } = (await create(server, 'errand')).body
      return Object.keys((await server.get(`/api/v1/jobs/${job_id}`)).body)
    }
    const [all, few] = [await fieldsOf({}), await fieldsOf({ DETAILED_API_RESPONSES: 'false' })]
    expect(all).toEqual(expect.arrayContaining(['input', 'data', 'waiting_for']))
    expect(few).toEqual(expect.arrayContaining(['id', 'status']))
    for (const field of ['input', 'data', 'waiting_for']) expect(few).not.toContain(field)
  },
}
