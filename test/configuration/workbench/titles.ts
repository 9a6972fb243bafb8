/** What makes the titles of sessions. */
import { expect } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { receiver } from '../jobs.ts'
import { until } from '../server.ts'
import { serveBackend } from './serve.ts'

/** What a backend with these variables asks the model for titles, until it has asked as often as expected. */
const asked = async (env: Record<string, string>, times: number) => {
  const { url, received } = await receiver()
  const server = await serveBackend({ OPENAI_BASE_URL: `${url}/v1`, ...env })
  const { session_id } = (await server.post('/api/v1/tasks', { prompt: 'the first line\nand another' })).body.data
  const { title } = (await server.get(`/api/v1/sessions/${session_id}`)).body.data
  await until(async () => received.length >= times)
  // Any backend of the installation would do the next one's titles.
  await server.stop()
  return { title, requests: received.map(({ path, body }) => ({ path, model: JSON.parse(body.toString()).model })) }
}

export const titles: Effects = Object.fromEntries(
  ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_DEFAULT_MODEL'].map((name) => [
    name,
    async () => {
      expect(await asked({}, 0)).toEqual({ title: 'the first line', requests: [] })
      const path = '/v1/chat/completions'
      const { title, requests } = await asked({ OPENAI_API_KEY: 'a-key' }, 1)
      expect(title).toBe('the first line')
      expect(requests).toContainEqual({ path, model: 'gpt-4o-mini' })
      const other = await asked({ OPENAI_API_KEY: 'a-key', OPENAI_DEFAULT_MODEL: 'another' }, 1)
      expect(other.requests).toContainEqual({ path, model: 'another' })
    },
  ]),
)
