/** The backend as managers see it, over real HTTP: one run after the other, leases, numbered events, and faults on demand. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  type AccountAnswer,
  type AgentEvent,
  accountRun,
  type ClaimedRun,
  claimRun,
  type FinishRun,
  finishRun,
  freshEvents,
  isDelta,
  manyRunEvents,
  type NumberedAgentEvent,
  renewRun,
  runEvents,
  startRun,
} from '@tutti/contracts'
import type { z } from 'zod'

export interface FakeRun {
  claimed: ClaimedRun
  started: { model: string; sandbox: string } | null
  events: NumberedAgentEvent[]
  finished: FinishRun[]
  /** The lease is somebody else's. */
  lost: boolean
  canceling: boolean
  told: z.output<typeof accountRun>[]
  /** What the next model call is told; without, it may begin. */
  account?: () => Partial<AccountAnswer>
}

export interface FakeBackend {
  url: string
  token: string
  offer(run?: Partial<ClaimedRun>): FakeRun
  /** Cuts this many requests whose path ends with it, after they were carried out: the answer is lost. */
  cutAfter(path: string, times: number): void
  /** As `cutAfter`, before anything is done. */
  cutBefore(path: string, times: number): void
  /** Cuts everything until `comeBack`. */
  goAway(): void
  comeBack(): void
  bootIds: Set<string>
  /** Requests so far, by the last part of their path. */
  count(path: string): number
  until<T>(look: () => T | undefined | false | null): Promise<T>
  close(): Promise<void>
}

export const createFakeBackend = async (): Promise<FakeBackend> => {
  const token = `internal-${randomUUID()}`
  const runs = new Map<string, FakeRun>()
  const queue: FakeRun[] = []
  const parked = new Set<ServerResponse>()
  const watchers = new Set<() => void>()
  const bootIds = new Set<string>()
  const counts = new Map<string, number>()
  const cuts = { before: new Map<string, number>(), after: new Map<string, number>() }
  let away = false

  const changed = (): void => {
    for (const watcher of [...watchers]) watcher()
  }
  const send = (response: ServerResponse, status: number, data: unknown): void => {
    if (response.destroyed) return
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ code: status === 200 ? 0 : status * 100, message: 'said', data }))
  }
  const handOut = (): void => {
    for (const response of parked) {
      const run = queue.shift()
      if (run === undefined) return
      parked.delete(response)
      send(response, 200, run.claimed)
    }
  }
  const takeCut = (kind: 'before' | 'after', path: string): boolean => {
    const left = cuts[kind].get(path) ?? 0
    if (left > 0) cuts[kind].set(path, left - 1)
    return left > 0
  }
  const lost = (response: ServerResponse): void => send(response, 409, { code: 'LEASE_LOST' })

  const store = (run: FakeRun, batch: NumberedAgentEvent[]): number => {
    const fresh = freshEvents(run.events.at(-1)?.n ?? 0, batch)
    if ('gap' in fresh) throw new Error(`a gap before event ${fresh.gap.got}`)
    run.events.push(...fresh.events)
    return fresh.received
  }

  const act = (run: FakeRun, action: string, body: unknown, response: ServerResponse): (() => void) => {
    if (action === 'renew') {
      renewRun.parse(body)
      return () => send(response, 200, { held: !run.lost, cancel: run.lost || run.canceling })
    }
    if (action === 'account') {
      run.told.push(accountRun.parse(body))
      return () => send(response, 200, { verdict: 'go', refusal: null, wall_left_ms: null, ...run.account?.() })
    }
    if (run.lost) return () => lost(response)
    if (action === 'start') {
      const { model, sandbox } = startRun.parse(body)
      run.started = { model, sandbox }
      return () => send(response, 200, {})
    }
    if (action === 'events') {
      const received = store(run, runEvents.parse(body).events)
      return () => send(response, 200, { received })
    }
    run.finished.push(finishRun.parse(body))
    return () => send(response, 200, {})
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [id = '', action = id] = (request.url ?? '').replace('/api/v1/runs/', '').split('/')
    counts.set(action, (counts.get(action) ?? 0) + 1)
    if (away || takeCut('before', action)) {
      changed()
      request.socket.destroy()
      return
    }
    if (request.headers['x-internal-token'] !== token) return send(response, 403, { code: 'FORBIDDEN' })
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const body: unknown = JSON.parse(text)
    if (id === 'claim') {
      bootIds.add(claimRun.parse(body).boot_id)
      changed()
      parked.add(response)
      response.on('close', () => parked.delete(response))
      handOut()
      return
    }
    if (id === 'events') {
      const answers = manyRunEvents.parse(body).batches.map((batch) => {
        const run = runs.get(batch.run_id)
        if (run === undefined || run.lost) return { error: { status: 409, code: 'LEASE_LOST', message: 'lost' } }
        return { received: store(run, batch.events) }
      })
      send(response, 200, { answers })
      return changed()
    }
    const run = runs.get(id)
    if (run === undefined) return send(response, 404, { code: 'RUN_NOT_FOUND' })
    const answer = act(run, action, body, response)
    if (takeCut('after', action)) request.socket.destroy()
    else answer()
    changed()
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      send(response, 400, { code: 'INVALID_BODY', message: String(error) })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0

  return {
    url: `http://127.0.0.1:${port}`,
    token,
    bootIds,
    offer: (given = {}) => {
      const run_id = randomUUID()
      const claimed: ClaimedRun = {
        ...{ run_id, session_id: randomUUID(), job_id: run_id, task_id: `${run_id}:1`, user_id: 'local', attempt: 1 },
        ...{ lease_token: randomUUID(), prompt: 'Look around.', permission_mode: 'bypassPermissions' as const },
        ...{
          config: {},
          needed_hosts: [],
          sdk_session_id: null,
          snapshot_key: null,
          continues: false,
          answers: [],
          told: [],
          attended: false,
        },
        options: { runtime: 'claude' },
        // As the backend makes it of the task's own files.
        staging: { files: given.config?.workspace?.files ?? [], folders: [], managed: [], repositories: [] },
        ...given,
      }
      const run: FakeRun = { claimed, started: null, events: [], finished: [], told: [], lost: false, canceling: false }
      runs.set(claimed.run_id, run)
      queue.push(run)
      handOut()
      return run
    },
    cutAfter: (path, times) => cuts.after.set(path, times),
    cutBefore: (path, times) => cuts.before.set(path, times),
    goAway: () => {
      away = true
      server.closeAllConnections()
    },
    comeBack: () => {
      away = false
    },
    count: (path) => counts.get(path) ?? 0,
    until: (look) =>
      new Promise((resolve) => {
        const watch = (): void => {
          const found = look()
          if (found === undefined || found === false || found === null) return
          watchers.delete(watch)
          resolve(found)
        }
        watchers.add(watch)
        watch()
      }),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export const eventsOf = <Type extends AgentEvent['type']>(
  run: FakeRun,
  type: Type,
): Extract<AgentEvent, { type: Type }>[] =>
  run.events.flatMap(({ event }) => (event.type === type ? [event as Extract<AgentEvent, { type: Type }>] : []))

/** The numbers of what is to be stored, in the order in which it came. */
export const storedNumbers = (run: FakeRun): number[] =>
  run.events.flatMap(({ n, event }) => (isDelta(event) ? [] : [n]))
