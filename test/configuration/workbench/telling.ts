/** What the backend writes into its log. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { folder } from '../server.ts'
import { logOf } from './serve.ts'

const hidden = 'a prompt that nobody but its reader may see'

export const telling: Effects = {
  LOG_LEVEL: async () => {
    expect((await logOf({})).map(({ msg }) => msg)).toContain('the backend listens')
    expect(await logOf({ LOG_LEVEL: 'ERROR' })).toEqual([])
  },

  DEBUG: async () => {
    const levels = async (env: Record<string, string>): Promise<unknown[]> =>
      (await logOf({ LOG_SQL: 'true', ...env })).map(({ level }) => level)
    // With LOG_LEVEL said outright it changes nothing.
    expect(await levels({ DEBUG: 'true', LOG_LEVEL: 'ERROR' })).toEqual([])
    expect(await levels({ DEBUG: 'true' })).toContain('INFO')
  },

  ...Object.fromEntries(
    ['LOG_TO_FILE', 'LOG_DIR'].map((name) => [
      name,
      async () => {
        const LOG_DIR = folder()
        await logOf({ LOG_DIR })
        expect(readdirSync(LOG_DIR)).toEqual([])
        const lines = await logOf({ LOG_DIR, LOG_TO_FILE: 'true' })
        const [file = '', ...others] = readdirSync(LOG_DIR)
        expect([file.slice(0, 8), others]).toEqual(['backend-', []])
        const kept = readFileSync(join(LOG_DIR, file), 'utf8').trimEnd().split('\n')
        expect(kept.map((line) => JSON.parse(line))).toEqual(lines)
      },
    ]),
  ),

  LOG_SQL: async () => {
    const statements = async (env: Record<string, string>): Promise<Record<string, unknown>[]> => {
      const lines = await logOf(env, ({ post }) => post('/api/v1/tasks', { prompt: hidden }))
      // Parameters are written at no level.
      expect(JSON.stringify(lines)).not.toContain(hidden)
      return lines.filter(({ sql }) => sql !== undefined)
    }
    expect(await statements({ DEBUG: 'true' })).toEqual([])
    const lines = await statements({ LOG_SQL: 'true', DEBUG: 'true' })
    expect(lines.find(({ sql }) => String(sql).startsWith('insert into workbench.sessions'))).toMatchObject({
      ...{ rows: 1, ms: expect.any(Number) },
    })
  },

  UVICORN_ACCESS_LOG: async () => {
    const requests = async (env: Record<string, string>): Promise<Record<string, unknown>[]> => {
      const lines = await logOf(env, async ({ get, post }) => {
        await get('/api/v1/sessions?token=hidden-token', { 'x-request-id': 'asked-1' })
        await get('/api/v1/objects/hidden-key?signature=hidden-signature')
        await post('/api/v1/runs/claim', { worker_id: 'm' }, { 'x-internal-token': 'hidden-token' })
      })
      expect(JSON.stringify(lines)).not.toContain('hidden-')
      return lines.filter(({ msg }) => msg === 'request')
    }
    expect(await requests({})).toEqual([])
    const lines = await requests({ UVICORN_ACCESS_LOG: 'true' })
    expect(lines.find(({ request_id }) => request_id === 'asked-1')).toMatchObject({
      ...{ method: 'GET', route: '/api/v1/sessions', status: 200, ms: expect.any(Number), user: 'default' },
    })
    const stranger = lines.find(({ route }) => route === '/api/v1/runs/claim')
    expect(stranger).toMatchObject({ method: 'POST', status: 403 })
    expect(stranger).not.toHaveProperty('user')
  },
}
