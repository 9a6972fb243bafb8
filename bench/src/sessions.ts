/** What a backend holds in memory while ten thousand sessions pass through it: made, followed, claimed, worked on, finished. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createWorkbench, type Workbench } from '@tutti/client'
import type { AgentEvent } from '@tutti/contracts'
import { type BackendClient, createBackendClient } from '@tutti/executor-manager'
import { startBackend } from './backend.ts'
import { type Figure, figure, timed } from './measure.ts'
import { scratchDatabase, scratchFolder } from './scratch.ts'

/** Sessions that are under way at a time. */
const sideBySide = 8
const workerId = 'bench'

export const sessions = (quick: boolean): Promise<Figure[]> =>
  scratchDatabase((connectionString) =>
    scratchFolder(async (folder) => {
      const all = quick ? 1_000 : 10_000
      const backend = await startBackend(connectionString, join(folder, 'objects'))
      try {
        const workbench = createWorkbench({ url: backend.url, token: backend.clientToken })
        const manager = createBackendClient({
          ...{ baseUrl: backend.url, internalToken: backend.internalToken, leaseSeconds: 600 },
        })
        const took: number[] = []
        const tenths: number[][] = Array.from({ length: 10 }, () => [])
        let begun = 0
        const work = async (until: number): Promise<void> => {
          while (begun < until) {
            const n = begun++
            took.push(await timed(() => oneSession(workbench, manager, n)))
            if (n % 20 === 0) tenths[Math.floor((10 * n) / all)]?.push(await memoryMb(backend.pid))
          }
        }
        const workSideBySide = async (until: number) => {
          await Promise.all(Array.from({ length: sideBySide }, () => work(until)))
          return backend.held()
        }
        // The first tenth fills what is kept for good: compiled code, connections, caches that have a bound.
        const warm = await workSideBySide(all / 10)
        const after = await workSideBySide(all)
        const grown = after.heapUsed + after.external - warm.heapUsed - warm.external
        return [
          figure(`sessions: one, of ${sideBySide} side by side`, 'ms', took),
          ...[1, 4, 9].map((tenth) =>
            figure(`sessions: memory of the backend, ${tenth + 1} tenths of ${all}`, 'MB', tenths[tenth] ?? []),
          ),
          // What a process has is mostly room that its collector has not given back; this is what somebody still refers to.
          figure('sessions: held, when all else is collected, after the first tenth', 'MB', [
            mb(warm.heapUsed + warm.external),
          ]),
          figure('sessions: held more by each further session', 'kB', [grown / 1024 / (all - all / 10)]),
        ]
      } finally {
        await backend.stop()
      }
    }),
  )

const oneSession = async (workbench: Workbench, manager: BackendClient, n: number): Promise<void> => {
  const { session_id } = await workbench.tasks.create({ prompt: `session ${n}` })
  const done = new AbortController()
  const followed = follow(workbench, session_id, done.signal)
  // Whichever is next: those who work side by side take each other's.
  const claimed = await manager.claim(
    { worker_id: workerId, boot_id: 'bench', lease_seconds: 600, wait_seconds: 30 },
    done.signal,
  )
  if (claimed === null) throw new Error('no run came to be claimed')
  const holder = { worker_id: workerId, lease_token: claimed.lease_token }
  await manager.start(claimed.run_id, { ...holder, sandbox: 'bench', model: 'm' })
  const events = saying.map((event, at) => ({ n: at + 1, at: 0, event }))
  await manager.events(claimed.run_id, { ...holder, attempt: claimed.attempt, events })
  await manager.finish(claimed.run_id, { ...holder, attempt: claimed.attempt, outcome: 'completed', result: 'done' })
  await followed
}

const follow = async (workbench: Workbench, sessionId: string, signal: AbortSignal): Promise<void> => {
  for await (const { type, data } of workbench.sessions.stream(sessionId, { signal }))
    if (type === 'session.status' && data.status === 'completed') return
}

const saying: AgentEvent[] = Array.from({ length: 10 }, (_, n) => ({
  ...{ type: 'message', role: 'assistant', parent_tool_use_id: null },
  blocks: [{ type: 'text', text: `message ${n} ${'word '.repeat(100)}` }],
}))

const mb = (bytes: number): number => bytes / 1024 / 1024

/** What is in memory of it, by Linux's account. */
const memoryMb = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}
