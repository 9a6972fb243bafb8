/** How often somebody may ask. */
import { expect } from 'vitest'
import { register } from '../jobs.ts'
import { file, type Server, serve, until } from '../server.ts'
import type { Effects } from './effects.ts'

export const rates: Effects = {
  RATE_LIMITING_ENABLED: async () => {
    expect(await asked(await client({ RATE_LIMIT_LIMIT: '2' }), 3)).toEqual([200, 200, 429])
    expect(await asked(await client({ RATE_LIMIT_LIMIT: '2', RATE_LIMITING_ENABLED: 'false' }), 3)).toEqual([
      200, 200, 200,
    ])
  },

  RATE_LIMIT_LIMIT: async () => {
    expect(await asked(await client({ RATE_LIMIT_LIMIT: '1' }), 2)).toEqual([200, 429])
    expect(await asked(await client({ RATE_LIMIT_LIMIT: '3' }), 4)).toEqual([200, 200, 200, 429])
    // Operators have to get in when somebody else runs wild.
    expect(await asked(await serve({ RATE_LIMIT_LIMIT: '1' }), 3)).toEqual([200, 200, 200])
  },

  RATE_LIMIT_PERIOD: async () => {
    const again = async (env: Record<string, string>): Promise<Server> => {
      const server = await client({ RATE_LIMIT_LIMIT: '1', ...env })
      expect((await asked(server, 2))[1]).toBe(429)
      return server
    }
    const short = await again({ RATE_LIMIT_PERIOD: '0.2' })
    await until(async () => (await asked(short, 1))[0] === 200)
    const long = await again({ RATE_LIMIT_PERIOD: '7200' })
    expect(Number((await long.get('/api/v1/jobs')).headers.get('retry-after'))).toBeGreaterThan(7000)
  },

  RATE_LIMIT_POLL_LIMIT: async () => {
    const server = await serve({ RATE_LIMIT_POLL_LIMIT: '1', WORKER_POLL_TIMEOUT_SECONDS: '0.01' })
    await register(server)
    const poll = async (): Promise<number> => (await server.get('/_worker/workers/hand/tasks/next')).status
    expect([await poll(), await poll()]).toEqual([204, 429])
  },

  RATE_LIMIT_HEARTBEAT_LIMIT: async () => {
    const server = await serve({ RATE_LIMIT_HEARTBEAT_LIMIT: '2' })
    await register(server)
    const beat = async (): Promise<number> => (await server.send('PATCH', '/_worker/workers/hand')).status
    expect([await beat(), await beat(), await beat()]).toEqual([200, 200, 429])
  },
}

/** A server that knows one client, who is no operator. */
const client = async (env: Record<string, string>): Promise<Server> => {
  const path = file('clients.toml', '[anna]\ntoken = "secure-orchestrator-token"\n')
  return serve({ CLIENTS_CONFIG_PATH: path, TUTTI_ENV: 'development', ...env })
}

const asked = async (server: Server, times: number): Promise<number[]> => {
  const answers: number[] = []
  for (let time = 0; time < times; time += 1) answers.push((await server.get('/api/v1/jobs')).status)
  return answers
}
