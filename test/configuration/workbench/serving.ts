/** Where the backend listens, and what it tells to whom. */

import { createLocalObjects } from '@tutti/objects'
import { freePort } from '@tutti/stores/testing'
import { expect } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { api, backendEnvironment, serveBackend } from './serve.ts'

export const serving: Effects = {
  HOST: async () => {
    const { port } = await serveBackend({ HOST: '127.0.0.2' })
    expect((await api(`http://127.0.0.2:${port}`).get('/health')).status).toBe(200)
    await expect(api(`http://127.0.0.1:${port}`).get('/health')).rejects.toThrow()
    await expect(serveBackend({ HOST: '0.0.0.0' })).rejects.toThrow(/CLIENT_TOKEN/)
  },

  PORT: async () => {
    const port = await freePort()
    expect((await serveBackend({ PORT: String(port) })).port).toBe(port)
  },

  CORS_ORIGINS: async () => {
    const allowed = async (env: Record<string, string>, origin: string): Promise<number> =>
      (await (await serveBackend(env)).get('/api/v1/sessions', { origin })).status
    expect(await allowed({}, 'http://localhost:3000')).toBe(200)
    expect(await allowed({}, 'https://other.example.org')).toBe(403)
    expect(await allowed({ CORS_ORIGINS: '["https://other.example.org"]' }, 'https://other.example.org')).toBe(200)
  },

  INTERNAL_API_TOKEN: async () => {
    const server = await serveBackend()
    const claim = async (token: string): Promise<number> =>
      (await server.post('/api/v1/runs/claim', { worker_id: 'm', boot_id: 'b' }, { 'x-internal-token': token })).status
    expect(await claim('another-token-0123456789')).toBe(403)
    expect((await server.manage('/claim', { worker_id: 'm', boot_id: 'b' })).status).toBe(200)
    await expect(serveBackend({ INTERNAL_API_TOKEN: 'change-this-token-0123456789' })).rejects.toThrow(/INTERNAL_API/)
  },

  CLIENT_TOKEN: async () => {
    const CLIENT_TOKEN = 'client-token-0123456789'
    const server = await serveBackend({ CLIENT_TOKEN })
    const status = async (token: string) =>
      (await server.get('/api/v1/sessions', { authorization: `Bearer ${token}` })).status
    expect([await status(CLIENT_TOKEN), await status('another')]).toEqual([200, 401])
  },

  SINGLE_USER_ID: async () => {
    const [one, other] = [
      await serveBackend({ SINGLE_USER_ID: 'one' }),
      await serveBackend({ SINGLE_USER_ID: 'other' }),
    ]
    const { session_id } = (await one.post('/api/v1/tasks', { prompt: 'mine' })).body.data
    const status = async ({ get }: typeof one) => (await get(`/api/v1/sessions/${session_id}`)).status
    expect([await status(one), await status(other)]).toEqual([200, 404])
  },

  MAX_UPLOAD_SIZE_MB: async () => {
    const upload = async (env: Record<string, string>): Promise<number> => {
      const { OBJECTS_DIR = '', SECRET_KEY = '' } = await backendEnvironment()
      const { port } = await serveBackend({ OBJECTS_DIR, ...env })
      const publicUrl = `http://127.0.0.1:${port}/api/v1/objects`
      const objects = createLocalObjects({ root: OBJECTS_DIR, publicUrl, secret: SECRET_KEY })
      const address = await objects.presignPut('uploads/a', { expiresSeconds: 60 })
      return (await fetch(address, { method: 'PUT', body: Buffer.alloc(1_500_000) })).status
    }
    expect([await upload({ MAX_UPLOAD_SIZE_MB: '1' }), await upload({})]).toEqual([413, 200])
  },

  ...Object.fromEntries(
    ['NEXT_PUBLIC_API_URL', 'NEXT_PUBLIC_WS_URL'].map((name) => [
      name,
      async () => {
        const told = async (env: Record<string, string>) =>
          (await (await serveBackend(env)).get('/api/v1/config')).body.data
        expect(await told({})).toEqual({ api_url: null, ws_url: null })
        const given = { NEXT_PUBLIC_API_URL: 'https://api.example.org/', NEXT_PUBLIC_WS_URL: 'wss://ws.example.org/' }
        expect(await told(given)).toEqual({ api_url: 'https://api.example.org', ws_url: 'wss://ws.example.org' })
      },
    ]),
  ),
}
