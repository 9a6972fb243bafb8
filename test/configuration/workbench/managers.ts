/** What is between backend and executor managers, shown by a real manager beside a real backend. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createScriptedModel } from '@tutti/agents/scripted'
import { startManager } from '@tutti/executor-manager'
import { expect, onTestFinished } from 'vitest'
import type { Effects } from '../effects/effects.ts'
import { file, folder, until } from '../server.ts'
import { claimOf, internalToken, serveBackend, type WorkbenchServer } from './serve.ts'

const manage = async (backend: WorkbenchServer, env: Record<string, string> = {}): Promise<number> => {
  const { port, stop } = await startManager({
    ...{ BACKEND_URL: `http://127.0.0.1:${backend.port}`, INTERNAL_API_TOKEN: internalToken, MANAGER_PORT: '0' },
    ...{ WORKER_ID: `m-${crypto.randomUUID()}`, OBJECTS_DIR: folder(), WORKSPACE_ROOT: folder(), LOG_LEVEL: 'ERROR' },
    ...{ ANTHROPIC_AUTH_TOKEN: 'a-key', SANDBOX_POOL: '0', ...env },
  })
  onTestFinished(stop)
  return port
}

/** A mode that only the manager takes which has this file. */
const ownMode = (): { mode: string; SCHEDULE_CONFIG_PATH: string } => {
  const mode = `own-${crypto.randomUUID()}`
  return { mode, SCHEDULE_CONFIG_PATH: file('pull.toml', `[[rules]]\nkind = "interval"\nid = "${mode}"\n`) }
}

const runOf = async (backend: WorkbenchServer, id: string) => (await backend.get(`/api/v1/runs/${id}`)).body.data

export const managers: Effects = {
  SCHEDULE_CONFIG_PATH: async () => {
    const backend = await serveBackend()
    const { mode, SCHEDULE_CONFIG_PATH } = ownMode()
    const send = async (schedule_mode: string): Promise<string> =>
      (await backend.post('/api/v1/tasks', { prompt: 'hello', schedule_mode })).body.data.run_id
    const [others, own] = [await send(`others-${crypto.randomUUID()}`), await send(mode)]
    await manage(backend, { SCHEDULE_CONFIG_PATH, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' })
    await until(async () => (await runOf(backend, own)).status !== 'queued')
    expect((await runOf(backend, others)).status).toBe('queued')
  },

  EXECUTOR_MANAGER_URL: async () => {
    const { mode, SCHEDULE_CONFIG_PATH } = ownMode()
    const port = await manage(await serveBackend(), { SCHEDULE_CONFIG_PATH })
    const schedules = async (env: Record<string, string>) => (await serveBackend(env)).get('/api/v1/schedules')
    expect((await schedules({})).status).toBe(503)
    const told = await schedules({ EXECUTOR_MANAGER_URL: `http://127.0.0.1:${port}` })
    expect([told.status, JSON.stringify(told.body.data)]).toEqual([200, expect.stringContaining(mode)])
  },

  DEFAULT_MODEL: async () => {
    const asked: unknown[] = []
    const model = await createScriptedModel({ key: 'a-key', asked: (body) => asked.push(body) })
    onTestFinished(model.close)
    const { mode, SCHEDULE_CONFIG_PATH } = ownMode()
    const DEFAULT_MODEL = 'claude-of-this-test'
    const backend = await serveBackend({ DEFAULT_MODEL })
    expect((await backend.get('/api/v1/models')).body.data.default_model).toBe(DEFAULT_MODEL)
    await manage(backend, { SCHEDULE_CONFIG_PATH, DEFAULT_MODEL, ANTHROPIC_BASE_URL: model.url })
    await backend.post('/api/v1/tasks', { prompt: 'hello', schedule_mode: mode })
    await until(async () => asked.length > 0)
    expect(asked[0]).toMatchObject({ model: DEFAULT_MODEL })
  },

  // With an engine of its own: under bubblewrap, managers with two such folders would end each other’s sandboxes.
  SANDBOX_STATE_DIR: async () => {
    const SANDBOX_STATE_DIR = join(folder(), 'state')
    const { DOCKER_HOST } = await engineWithoutImages()
    await expect(manage(await serveBackend(), { SANDBOX: 'docker', DOCKER_HOST, SANDBOX_STATE_DIR })).rejects.toThrow()
    expect(existsSync(join(SANDBOX_STATE_DIR, 'docker'))).toBe(true)
  },

  EXECUTOR_IMAGE: async () => {
    const { DOCKER_HOST, asked } = await engineWithoutImages()
    const env = { SANDBOX: 'docker', DOCKER_HOST, EXECUTOR_IMAGE: 'of-this-test:v7', SANDBOX_STATE_DIR: folder() }
    await expect(manage(await serveBackend(), env)).rejects.toThrow(/of-this-test:v7/)
    expect(asked.some((url) => decodeURIComponent(url).includes('of-this-test:v7'))).toBe(true)
  },

  SESSION_HEAD_START_MS: async () => {
    /** Who gets a session's second run, when another manager has asked for it first. */
    const secondRunOf = async (SESSION_HEAD_START_MS: string): Promise<'warm' | 'other'> => {
      const backend = await serveBackend({ SESSION_HEAD_START_MS })
      const [mode, warm, other] = [`own-${crypto.randomUUID()}`, crypto.randomUUID(), crypto.randomUUID()]
      const ask = (worker_id: string, wait_seconds: number) => {
        const claim = { worker_id, boot_id: worker_id, capacity: 5, wait_seconds, schedule_modes: [mode] }
        return backend.manage('/claim', claim).then(({ body }) => body.data?.run_id as string | undefined)
      }
      const { session_id, run_id, lease_token, attempt } = await claimOf(backend, { schedule_mode: mode }, warm)
      await backend.manage(`/${run_id}/finish`, { worker_id: warm, lease_token, attempt, outcome: 'completed' })
      // It is there, with room, and asks again.
      await ask(warm, 0)
      const next = { prompt: 'on', session_id, schedule_mode: mode }
      const asked = (await backend.post('/api/v1/tasks', next)).body.data.run_id
      const never = new Promise<never>(() => {})
      const others = ask(other, 20).then((got) => (got === asked ? ('other' as const) : never))
      // Without a head start the warm one only looks, when the other one has had its answer.
      if (SESSION_HEAD_START_MS === '0') return others
      const warms = until(async () => (await ask(warm, 1)) === asked && ('warm' as const))
      return Promise.race([others.catch(() => never), warms])
    }
    expect([await secondRunOf('0'), await secondRunOf('60000')]).toEqual(['other', 'warm'])
  },
}

/** As much of a container engine as says that it has no images: what is asked for is what this is about. */
const engineWithoutImages = async (): Promise<{ DOCKER_HOST: string; asked: string[] }> => {
  const asked: string[] = []
  const engine = createServer((request, response) => {
    asked.push(request.url ?? '')
    const known = /\/(?:info|version|_ping)$/.test(request.url ?? '')
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(known ? { ApiVersion: '1.44', OSType: 'linux' } : { message: 'no such image' }))
  })
  const socket = join(folder(), 'engine.sock')
  await new Promise<void>((resolve) => engine.listen(socket, resolve))
  onTestFinished(() => void engine.close())
  return { DOCKER_HOST: `unix://${socket}`, asked }
}
