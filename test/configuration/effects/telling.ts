/** What is told to people: instants, log lines, traces. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort, testDatabase } from '@tutti/stores/testing'
import { expect } from 'vitest'
import { round } from '../blueprints.ts'
import { create, ending, receiver } from '../jobs.ts'
import { caller, file, serve, start, written } from '../server.ts'
import type { Effects } from './effects.ts'

export const telling: Effects = {
  TZ: async () => {
    const written = async (env: Record<string, string>): Promise<string[]> => {
      const server = await serve(env, { blueprints: [round(1)] })
      const { job_id } = (await create(server, 'round')).body
      const { body } = await server.get(`/api/v1/jobs/${job_id}/history`)
      return (Array.isArray(body) ? body : body.items).map(({ timestamp }: { timestamp: string }) => timestamp)
    }
    for (const timestamp of await written({ TZ: 'Asia/Kathmandu' })) expect(timestamp).toMatch(/\+05:45$/)
    for (const timestamp of await written({})) expect(timestamp).toMatch(/Z$/)
  },

  LOG_LEVEL: async () => {
    expect((await written(await freePort(), {})).join()).toContain('the orchestrator listens')
    expect(await written(await freePort(), { LOG_LEVEL: 'ERROR' })).toEqual([])
  },

  LOG_FORMAT: async () => {
    for (const line of await written(await freePort(), {})) expect(JSON.parse(line)).toHaveProperty('msg')
    const lines = await written(await freePort(), { LOG_FORMAT: 'text' })
    expect(lines.join('\n')).toContain('the orchestrator listens')
    for (const line of lines) expect(() => JSON.parse(line), line).toThrow()
  },

  ...Object.fromEntries(
    ['LOG_TO_FILE', 'LOG_DIR', 'LOG_BACKUP_COUNT'].map((name) => [
      name,
      async () => {
        const LOG_DIR = join(dirname(file('note', '')), 'logs')
        const run = (env: Record<string, string>) => freePort().then((port) => written(port, { LOG_DIR, ...env }))
        await run({})
        expect(existsSync(LOG_DIR)).toBe(false)
        mkdirSync(LOG_DIR)
        for (const day of ['2020-01-01', '2020-01-02']) writeFileSync(join(LOG_DIR, `orchestrator-${day}.log`), '')
        const lines = await run({ LOG_TO_FILE: 'true', LOG_BACKUP_COUNT: '1' })
        const [former, today, ...others] = readdirSync(LOG_DIR).sort()
        expect([former, others]).toEqual(['orchestrator-2020-01-02.log', []])
        expect(
          readFileSync(join(LOG_DIR, today ?? ''), 'utf8')
            .trimEnd()
            .split('\n'),
        ).toEqual(lines)
        // What can't be written there does not stop the server.
        expect((await run({ LOG_TO_FILE: 'true', LOG_DIR: '/proc/none' })).join()).toContain('the orchestrator listens')
      },
    ]),
  ),

  LOG_SQL: async () => {
    const database = await testDatabase()
    const statements = async (env: Record<string, string>): Promise<string[]> => {
      const lines = await written(await freePort(), {
        ...{ STORAGE: 'postgres', DATABASE_URL: database.connectionString },
        ...env,
      })
      return lines.map((line) => JSON.parse(line).sql).filter((sql) => sql !== undefined)
    }
    expect(await statements({})).toEqual([])
    expect((await statements({ LOG_SQL: 'true' })).join('\n')).toMatch(/select/i)
    await database.drop()
  },

  UVICORN_ACCESS_LOG: async () => {
    const requests = async (env: Record<string, string>): Promise<Record<string, unknown>[]> => {
      const port = await freePort()
      const child = await start(port, { ...env, CLIENT_TOKEN: 'mine' })
      const { get } = caller(`http://127.0.0.1:${port}`, {})
      await get('/api/v1/jobs/hidden-id?token=hidden-token', { 'x-client-token': 'mine', 'x-request-id': 'asked-1' })
      await get('/hidden-path')
      child.kill('SIGTERM')
      const lines = (child.stdout ? await text(child.stdout) : '').split('\n').filter((line) => line !== '')
      expect(lines.join()).not.toContain('hidden-')
      return lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
    }
    expect(await requests({})).toEqual([])
    const lines = await requests({ UVICORN_ACCESS_LOG: 'true' })
    expect(lines.find(({ request_id }) => request_id === 'asked-1')).toMatchObject({
      ...{ method: 'GET', route: '/api/v1/jobs/:id', status: 404, ms: expect.any(Number), user: 'default' },
    })
    expect(lines.find(({ route }) => route === '(none)')).toMatchObject({ status: 404 })
    expect((await requests({ ACCESS_LOG: 'on' })).length).toBeGreaterThan(0)
  },

  OTEL_EXPORTER_OTLP_ENDPOINT: async () => {
    const { url, received } = await receiver()
    const run = async (env: Record<string, string>): Promise<void> => {
      const server = await serve(env, { blueprints: [round(1)] })
      await ending(server, (await create(server, 'round')).body.job_id)
      // What waits to be sent is sent before it has stopped.
      await server.stop()
    }
    await run({})
    expect(received).toEqual([])
    await run({ OTEL_EXPORTER_OTLP_ENDPOINT: url, INSTANCE_ID: 'the-left-one' })
    const spans = received.filter(({ path }) => path === '/v1/traces')
    for (const text of ['job round', 'the-left-one'])
      expect(
        spans.some(({ body }) => body.includes(text)),
        text,
      ).toBe(true)
  },
}
