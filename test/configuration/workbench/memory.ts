/** What finds memories by what they mean. */
import { expect } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { receiver } from '../jobs.ts'
import { until } from '../server.ts'
import { serveBackend } from './serve.ts'

/** What a backend with these variables asks for when its user looks for something. */
const asked = async (of: (url: string) => Record<string, string>) => {
  const { url, received } = await receiver()
  const server = await serveBackend(of(`${url}/v1`))
  const query = `a query ${crypto.randomUUID()}`
  expect((await server.post('/api/v1/memories/search', { query })).status).toBe(200)
  const request = await until(async () => received.find(({ body }) => body.toString().includes(query)))
  await server.stop()
  return {
    path: request.path,
    authorization: request.headers.authorization,
    model: JSON.parse(request.body.toString()).model,
  }
}

const effect = async (): Promise<void> => {
  const path = '/v1/embeddings'
  const model = 'small'
  const titles = (url: string) => ({
    OPENAI_BASE_URL: url,
    OPENAI_API_KEY: 'titles-key',
    MEMORY_EMBEDDING_MODEL: model,
  })
  expect(await asked(titles)).toEqual({ path, model, authorization: 'Bearer titles-key' })
  const own = (url: string) => ({
    ...{ MEMORY_EMBEDDING_MODEL: model, MEMORY_EMBEDDING_BASE_URL: url },
    ...{ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', OPENAI_API_KEY: 'titles-key' },
  })
  // A stranger to that provider does not get its key.
  expect(await asked(own)).toEqual({ path, model, authorization: undefined })
  const keyed = (url: string) => ({ ...own(url), MEMORY_EMBEDDING_API_KEY: 'own-key' })
  expect(await asked(keyed)).toEqual({ path, model, authorization: 'Bearer own-key' })
  await expect(serveBackend({ MEMORY_EMBEDDING_MODEL: model })).rejects.toThrow('MEMORY_EMBEDDING_MODEL')
}

export const memory: Effects = Object.fromEntries(
  ['MEMORY_EMBEDDING_MODEL', 'MEMORY_EMBEDDING_BASE_URL', 'MEMORY_EMBEDDING_API_KEY'].map((name) => [name, effect]),
)
