/** What is told to people: instants, log lines, traces. */
import { expect } from 'vitest'
import { round } from '../blueprints.ts'
import { create, ending, freePort, receiver } from '../jobs.ts'
import { serve, written } from '../server.ts'
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
