/**
 * From an executor's outbox to a reader's WebSocket: relay, manager, backend, PostgreSQL, hub, with 200 sessions that each have one reader.
 * Backend, manager, executors and readers are processes of their own.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createWorkbench } from '@tutti/client'
import { type BenchBackend, startBackend } from './backend.ts'
import type { Load } from './events/load.ts'
import { stampsIn } from './events/stamp.ts'
import { type Figure, figure } from './measure.ts'
import { scratchDatabase, scratchFolder } from './scratch.ts'

const sessions = 200
const eventsPerSecond = 5_000

export const events = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase((connectionString) =>
    scratchFolder(async (folder) => {
      const backend = await startBackend(connectionString, join(folder, 'objects'))
      const workbench = createWorkbench({ url: backend.url, token: backend.clientToken })
      const readers: WebSocket[] = []
      try {
        const seen = new Map<string, number>()
        for (let n = 0; n < sessions; n += 1) {
          const { session_id } = await workbench.tasks.create({ prompt: `session ${n}` })
          readers.push(await follow(backend, session_id, seen))
        }
        await mkdir(join(folder, 's'))
        const given: Load = {
          ...{
            backendUrl: backend.url,
            internalToken: backend.internalToken,
            folder: join(folder, 's'),
            sessions,
            eventsPerSecond,
          },
          seconds: quick ? 5 : 20,
        }
        const before = await cpuMs(backend.pid)
        const put = await play(given, seen)
        const cpu = (await cpuMs(backend.pid)) - before
        const late = [...seen.values()]
        return [
          figure('events: CPU of the backend for a thousand', 'ms', [(1000 * cpu) / put]),
          figure(`events: executor to reader, ${eventsPerSecond}/s over ${sessions} sessions`, 'ms', late),
          figure('events: said, and never shown', 'events', [put - late.length]),
        ]
      } finally {
        for (const reader of readers) reader.close()
        await backend.stop()
      }
    }),
  )

/** @returns how many events were put */
const play = async (load: Load, seen: Map<string, number>): Promise<number> => {
  const start = (program: URL) => fork(fileURLToPath(program), [JSON.stringify(load)])
  const managers = start(new URL('./events/managers.ts', import.meta.url))
  try {
    const [places] = await once(managers, 'message')
    const executors = start(new URL('./events/executors.ts', import.meta.url))
    executors.send(places)
    const [{ put }] = (await once(executors, 'message')) as [{ put: number }]
    for (let quiet = 0, before = -1; quiet < 3; ) {
      quiet = seen.size === before ? quiet + 1 : 0
      before = seen.size
      await delay(200)
    }
    return put
  } finally {
    managers.disconnect()
  }
}

/** Of Linux, which counts in hundredths of a second. */
const cpuMs = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number)
  return ((user ?? 0) + (system ?? 0)) * 10
}

const follow = async (
  { url, clientToken }: BenchBackend,
  sessionId: string,
  seen: Map<string, number>,
): Promise<WebSocket> => {
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
