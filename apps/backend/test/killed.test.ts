/** A backend in a process of its own, killed without warning, again and again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

let database: TestDatabase
let folder: string
let address: string
let child: ChildProcess | undefined
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  database = await testDatabase()
  folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
  const port = await freePort()
  address = `http://127.0.0.1:${port}`
  environment = {
    ...process.env,
    HOST: '127.0.0.1',
    PORT: String(port),
    DATABASE_URL: database.connectionString,
    INTERNAL_API_TOKEN: 'internal-token-of-tests',
    SECRET_KEY: 'secret-of-tests-0123456789abcdef',
    OBJECTS_DIR: folder,
    LOG_LEVEL: 'ERROR',
  }
})
afterAll(async () => {
  await end('SIGKILL')
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const found = server.address()
      server.close(() => resolve(typeof found === 'object' && found !== null ? found.port : 0))
    })
  })

const start = async (): Promise<void> => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  child = spawn(process.execPath, [main], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
  await expect
    .poll(
      () =>
        fetch(`${address}/health`).then(
          (response) => response.ok,
          () => false,
        ),
      { timeout: 30_000 },
    )
    .toBe(true)
}

const end = async (signal: NodeJS.Signals): Promise<number | null> => {
  const ending = child
  if (!ending || ending.exitCode !== null || ending.signalCode !== null) return null
  const code = new Promise<number | null>((resolve) => ending.once('exit', resolve))
  ending.kill(signal)
  return code
}

interface Answer {
  code: number
  data: Record<string, unknown>
}

const call = async (path: string, body?: object): Promise<Answer> => {
  const response = await fetch(`${address}/api/v1${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'x-internal-token': 'internal-token-of-tests', ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return (await response.json()) as Answer
}

/** As a manager does: sends the same again until it is answered. */
const insist = (path: string, body: object): Promise<Answer> =>
  vi.waitFor(
    async () => {
      const answer = await call(path, body)
      expect(answer.code).toBeLessThan(50_000)
      return answer
    },
    { interval: 20, timeout: 40_000 },
  )

test('killed-backend-loses-nothing-and-repeats-nothing', async () => {
  await start()
  const { data: task } = await call('/tasks', { prompt: 'work', client_request_id: 'r1' })
  await call('/tasks', { prompt: 'next', session_id: task.session_id })
  const claim = { worker_id: 'm', boot_id: 'b', wait_seconds: 30 }
  const { data: run } = await call('/runs/claim', claim)
  const holder = { worker_id: 'm', lease_token: run.lease_token, attempt: 1 }

  const batches = 60
  let sent = 0
  const sending = (async () => {
    for (; sent < batches; sent++) {
      const events = [1, 2, 3].map((i) => ({
        n: 3 * sent + i,
        at: 0,
        event: {
          type: 'message',
          role: 'assistant',
          blocks: [{ type: 'text', text: `${3 * sent + i}` }],
          parent_tool_use_id: null,
        },
      }))
      expect(await insist(`/runs/${run.run_id}/events`, { ...holder, events })).toMatchObject({ code: 0 })
    }
  })()
  for (const at of [10, 25, 45]) {
    await expect.poll(() => sent, { interval: 1, timeout: 30_000 }).toBeGreaterThanOrEqual(at)
    await end('SIGKILL')
    await start()
  }
  await sending

  const finishing = insist(`/runs/${run.run_id}/finish`, { ...holder, outcome: 'completed' })
  await end('SIGKILL')
  await start()
  expect((await finishing).data).toMatchObject({ status: 'completed' })

  const messages = (await call(`/sessions/${task.session_id}/messages`)).data as unknown as { text_preview: string }[]
  const said = Array.from({ length: 3 * batches }, (_, at) => `${at + 1}`)
  expect(messages.map((message) => message.text_preview)).toEqual(['work', ...said, 'next'])
  const { items } = (await call(`/sessions/${task.session_id}/events`)).data as { items: { seq: number }[] }
  expect(items.map((item) => item.seq)).toEqual(items.map((_, at) => at + 1))

  // The engine knows of the end, too: the next message's run is handed out.
  const { data: next } = await insist('/runs/claim', claim)
  expect(next).toMatchObject({ prompt: 'next', session_id: task.session_id })
  expect(await end('SIGTERM')).toBe(0)
})
