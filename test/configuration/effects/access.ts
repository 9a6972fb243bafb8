/** Who is let in, and how they prove themselves. */
import { createHmac } from 'node:crypto'
import { expect } from 'vitest'
import { errand } from '../blueprints.ts'
import { certificate, create, receiver, register, secureStatus } from '../jobs.ts'
import { file, type Server, serve, until } from '../server.ts'
import type { Effects } from './effects.ts'

export const access: Effects = {
  CLIENT_TOKEN: async () => {
    const jobs = (server: Server, token: string) => server.get('/api/v1/jobs', { 'x-client-token': token })
    const given = await serve({ CLIENT_TOKEN: 'mine' })
    expect([(await jobs(given, 'mine')).status, (await jobs(given, 'secure-orchestrator-token')).status]).toEqual([
      200, 401,
    ])
    expect((await jobs(await serve({}), 'secure-orchestrator-token')).status).toBe(200)
    expect((await jobs(await serve({ CLIENT_TOKEN: '' }), 'secure-orchestrator-token')).status).toBe(401)
  },

  GLOBAL_WORKER_TOKEN: async () => {
    const given = await serve({ GLOBAL_WORKER_TOKEN: 'ours' })
    expect([await register(given, 'ours'), await register(given, 'secure-worker-token')]).toEqual([200, 401])
    expect(await register(await serve({}), 'secure-worker-token')).toBe(200)
  },

  CLIENTS_CONFIG_PATH: async () => {
    const server = await serve({ CLIENTS_CONFIG_PATH: file('clients.toml', '[anna]\ntoken = "of-anna"\n') })
    expect((await server.get('/api/v1/jobs', { 'x-client-token': 'of-anna' })).status).toBe(200)
    expect((await server.get('/api/v1/jobs')).status).toBe(401)
  },

  WORKERS_CONFIG_PATH: async () => {
    const server = await serve({ WORKERS_CONFIG_PATH: file('workers.toml', '[hand]\ntoken = "of-hand"\n') })
    expect([await register(server, 'of-hand'), await register(server, 'secure-worker-token')]).toEqual([200, 401])
  },

  SCHEDULES_CONFIG_PATH: async () => {
    const path = file('schedules.toml', '[a]\nblueprint = "errand"\ninterval_seconds = 3600\n')
    await serve({ SCHEDULES_CONFIG_PATH: path }, { blueprints: [errand] })
    await expect(serve({ SCHEDULES_CONFIG_PATH: path })).rejects.toThrow(/schedules\.toml:2:1 .*errand/)
  },

  METRICS_TOKEN: async () => {
    const guarded = await serve({ METRICS_TOKEN: 'of-the-scraper' })
    const scrape = async (token: string): Promise<number> =>
      (await guarded.get('/_public/metrics', { authorization: `Bearer ${token}` })).status
    expect([await scrape('of-the-scraper'), await scrape('another')]).toEqual([200, 401])
    expect((await (await serve({})).get('/_public/metrics')).status).toBe(200)
  },

  RELOAD_WITH_ANY_CLIENT: async () => {
    const path = file('clients.toml', '[anna]\ntoken = "of-anna"\n')
    const reload = async (env: Record<string, string>): Promise<number> => {
      const server = await serve({ CLIENTS_CONFIG_PATH: path, ...env })
      return (await server.post('/api/v1/admin/reload-clients', undefined, { 'x-client-token': 'of-anna' })).status
    }
    expect([await reload({}), await reload({ RELOAD_WITH_ANY_CLIENT: 'true' })]).toEqual([403, 200])
  },

  WORKER_AUTH_MODE: async () => {
    const { cert, key } = certificate()
    const tls = { TLS_ENABLED: 'true', TLS_CERT_PATH: cert, TLS_KEY_PATH: key, TLS_CA_PATH: cert }
    const wayIn = async (mode: string): Promise<number[]> => {
      const { port } = await serve({ ...tls, WORKER_AUTH_MODE: mode })
      const call = { ca: cert, path: '/_worker/workers/register', body: { worker_id: 'hand' } }
      return [
        await secureStatus(port, { ...call, headers: { 'x-worker-token': 'secure-worker-token' } }),
        await secureStatus(port, { ...call, cert, key }),
      ]
    }
    // By token, by certificate.
    expect(await wayIn('mixed')).toEqual([200, 200])
    expect(await wayIn('mtls-only')).toEqual([401, 200])
    expect(await wayIn('token-only')).toEqual([200, 401])
  },

  WORKER_SIGNATURES: async () => {
    const timestamp = Math.floor(Date.now() / 1000)
    const text = `{"supported_skills":["run"],"timestamp":${timestamp},"worker_id":"hand"}`
    const sign = (secret: string) => ({
      timestamp,
      security: { signature: createHmac('sha256', secret).update(text).digest('hex') },
    })
    const taken = async (mode: string): Promise<number[]> => {
      const server = await serve({ WORKER_SIGNATURES: mode })
      const send = (more: object) => register(server, 'secure-worker-token', more)
      return [await send({}), await send(sign('secure-worker-token')), await send(sign('another'))]
    }
    // None, a right one, a wrong one.
    expect(await taken('off')).toEqual([200, 200, 200])
    expect(await taken('optional')).toEqual([200, 200, 403])
    expect(await taken('required')).toEqual([403, 200, 403])
  },

  SIGNING_KEY: async () => {
    const secretBy = async (env: Record<string, string>): Promise<string> => {
      const { body } = await (await serve(env)).get('/api/v1/webhooks/secret')
      return body.secrets[0]
    }
    const [one, other] = ['a'.repeat(32), 'b'.repeat(32)]
    const secret = await secretBy({ SIGNING_KEY: one })
    expect(secret).toMatch(/^whsec_./)
    expect(await secretBy({ SIGNING_KEY: one })).toBe(secret)
    expect(await secretBy({ SIGNING_KEY: other })).not.toBe(secret)
    // Made anew by each that has a store of its own.
    expect(await secretBy({})).not.toBe(await secretBy({}))
  },

  WEBHOOK_ALLOW_PRIVATE: async () => {
    const { url, received } = await receiver()
    const send = async (env: Record<string, string>): Promise<{ server: Server; status: number; id: string }> => {
      const server = await serve(env, { blueprints: [errand] })
      const { status, body } = await create(server, 'errand', { webhook_url: url })
      if (status === 202) await server.post(`/api/v1/jobs/${body.job_id}/cancel`)
      return { server, status, id: body.job_id }
    }
    const { id } = await send({ WEBHOOK_ALLOW_PRIVATE: 'true' })
    const sent = await until(async () => received.shift())
    expect(JSON.parse(sent.body.toString())).toMatchObject({ event: 'job_cancelled', job_id: id })
    expect((await send({})).status).toBe(400)
    expect(received).toEqual([])
  },
}
