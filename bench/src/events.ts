/**
 * From an executor's outbox to a reader's WebSocket: relay, manager, backend, PostgreSQL, hub, with 200 sessions that each have one reader.
 * Backend, managers with executors, and readers are processes of their own.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createWorkbench } from '@tutti/client'
import type { Load } from './events/load.ts'
import { stampsIn } from './events/stamp.ts'
import { type Figure, figure } from './measure.ts'
import { scratchDatabase, scratchFolder } from './scratch.ts'

const sessions = 200
const eventsPerSecond = 5_000
const internalToken = 'internal-token-of-benchmarks'
const clientToken = 'client-token-of-benchmarks'

export const events = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase((connectionString) =>
    scratchFolder(async (folder) => {
      const backend = await startBackend(connectionString, join(folder, 'objects'))
      const workbench = createWorkbench({ url: backend.url, token: clientToken })
      const readers: WebSocket[] = []
      try {
        const seen = new Map<string, number>()
        for (let n = 0; n < sessions; n += 1) {
          const { session_id } = await workbench.tasks.create({ prompt: `session ${n}` })
          readers.push(await follow(backend.url, session_id, seen))
        }
        await mkdir(join(folder, 's'))
        const given: Load = {
          ...{ backendUrl: backend.url, internalToken, folder: join(folder, 's'), sessions, eventsPerSecond },
          seconds: quick ? 5 : 20,
        }
        const before = await cpuMs(backend.child.pid)
        const put = await play(given, seen)
        const cpu = (await cpuMs(backend.child.pid)) - before
        const late = [...seen.values()]
        return [
          figure('events: CPU of the backend for a thousand', 'ms', [(1000 * cpu) / put]),
          figure(`events: executor to reader, ${eventsPerSecond}/s over ${sessions} sessions`, 'ms', late),
          figure('events: said, and never shown', 'events', [put - late.length]),
        ]
      } finally {
        for (const reader of readers) reader.close()
        backend.child.kill('SIGTERM')
        await once(backend.child, 'exit')
      }
    }),
  )

/** @returns how many events were put */
const play = async (load: Load, seen: Map<string, number>): Promise<number> => {
  const player = fork(fileURLToPath(new URL('./events/load.ts', import.meta.url)), [JSON.stringify(load)])
  await once(player, 'message')
  player.send('go')
  const [{ put }] = (await once(player, 'message')) as [{ put: number }]
  for (let quiet = 0, before = -1; quiet < 3; ) {
    quiet = seen.size === before ? quiet + 1 : 0
    before = seen.size
    await delay(200)
  }
  return put
}

/** Of Linux, which counts in hundredths of a second. */
const cpuMs = async (pid: number | undefined): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number)
  return ((user ?? 0) + (system ?? 0)) * 10
}

const follow = async (url: string, sessionId: string, seen: Map<string, number>): Promise<WebSocket> => {
  const options = { headers: { authorization: `Bearer ${clientToken}` } }
  // Node's WebSocket takes headers, which the type of the browser's does not know.
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws/sessions/${sessionId}`, options as never)
  socket.addEventListener('message', ({ data }) => {
    const now = performance.timeOrigin + performance.now()
    for (const { id, at } of stampsIn(String(data))) if (!seen.has(id)) seen.set(id, now - at)
  })
  await once(socket, 'open')
  return socket
}

const startBackend = async (
  connectionString: string,
  objects: string,
): Promise<{ child: ChildProcess; url: string }> => {
  const port = await freePort()
  const main = fileURLToPath(new URL('../../apps/backend/src/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...{ PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), DATABASE_URL: connectionString },
      ...{ INTERNAL_API_TOKEN: internalToken, CLIENT_TOKEN: clientToken, SECRET_KEY: 'key-of-benchmarks-'.repeat(3) },
      ...{ OBJECTS_DIR: objects, LOG_LEVEL: 'WARNING' },
    },
  })
  const url = `http://127.0.0.1:${port}`
  for (let n = 0; n < 200; n += 1) {
    if (
      await fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return { child, url }
    await delay(50)
  }
  child.kill('SIGKILL')
  throw new Error('the backend does not answer')
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}
