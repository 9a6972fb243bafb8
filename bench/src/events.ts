/**
 * From an executor's outbox to a reader's WebSocket: relay, manager, backend, PostgreSQL, hub, with 200 sessions that each have one reader.
 * Backend, manager, executors and readers are processes of their own.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createWorkbench } from '@tutti/client'
import { type BenchBackend, startBackend } from './backend.ts'
import { cpuMicros, descendantsOf, spent } from './cost/processor-time.ts'
import type { Load, Setting } from './events/load.ts'
import { stampsIn } from './events/stamp.ts'
import { type Figure, figure } from './measure.ts'
import { scratchDatabase, scratchFolder } from './scratch.ts'

const sessions = 200
/** The first rate only warms up; at the second each event travels alone, and so costs the most; the last is the one that is wanted. */
const rates = [5_000, 1_000, 5_000]

export const events = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase((connectionString, postgres) =>
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
        const { url: backendUrl, internalToken } = backend
        const run = await startParts({ backendUrl, internalToken, folder: join(folder, 's'), sessions })
        const pids = { executors: run.executors, managers: run.managers, backend: backend.pid, postgres }
        const figures: Figure[] = []
        for (const [at, eventsPerSecond] of rates.entries()) {
          seen.clear()
          const before = await used(pids)
          const put = await run.play({ eventsPerSecond, seconds: at === 0 || quick ? 5 : 20 })
          await settled(seen)
          const cpu = await used(pids)
          const load = `${eventsPerSecond}/s over ${sessions} sessions`
          if (at === 0) continue
          figures.push(
            ...[...cpu].map(([part, after]) =>
              figure(`events: CPU for a thousand at ${load}, ${part}`, 'ms', [
                spent(before.get(part) ?? new Map(), after) / put,
              ]),
            ),
            figure(`events: executor to reader, ${load}`, 'ms', [...seen.values()]),
            figure(`events: said and never shown, ${load}`, 'events', [put - seen.size]),
          )
        }
        run.stop()
        return figures
      } finally {
        for (const reader of readers) reader.close()
        await backend.stop()
      }
    }),
  )

/** Managers and executors, ready to go. */
const startParts = async (setting: Setting) => {
  const start = (program: URL) => fork(fileURLToPath(program), [JSON.stringify(setting)])
  const managers = start(new URL('./events/managers.ts', import.meta.url))
  const executors = start(new URL('./events/executors.ts', import.meta.url))
  const [places] = await once(managers, 'message')
  executors.send(places)
  await once(executors, 'message')
  return {
    managers: managers.pid ?? 0,
    executors: executors.pid ?? 0,
    /** @returns how many events were put */
    play: async (load: Load): Promise<number> => {
      executors.send(load)
      const [put] = await once(executors, 'message')
      return put
    },
    stop: () => {
      for (const child of [executors, managers]) child.disconnect()
    },
  }
}

/** By part, the processor time of its processes. */
const used = async (pids: Record<string, number>): Promise<Map<string, Map<number, number>>> =>
  new Map([
    ...(await Promise.all(
      Object.entries(pids).map(async ([part, pid]) => [part, await cpuMicros(await descendantsOf(pid))] as const),
    )),
    // This process, without those that it has started.
    ['readers', await cpuMicros([process.pid])] as const,
  ])

/** Resolves when nothing more has been seen for a while. */
const settled = async (seen: Map<string, number>): Promise<void> => {
  for (let quiet = 0, before = -1; quiet < 3; ) {
    quiet = seen.size === before ? quiet + 1 : 0
    before = seen.size
    await delay(200)
  }
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
