/**
 * A small orchestrator for the tests of this package: queue, leases, fencing and direct hand-off as the worker protocol
 * has them, plus faults on demand. What comes in is checked against the contracts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Heartbeat,
  heartbeat,
  type ProgressEvent,
  pollQuery,
  progressEvent,
  type ResultAnswer,
  registerWorker,
  resultBatch,
  type TaskPayload,
  type TaskResult,
  type WorkerEvent,
  workerEvent,
} from '@tutti/contracts'
import { type WebSocket, WebSocketServer } from 'ws'

export type Fault =
  /** The connection breaks before the request has any effect. */
  | 'drop'
  /** The request takes effect, then the connection breaks: its answer is lost. */
  | 'drop-answer'
  /** No answer, ever. */
  | 'hang'
  | { status: number; headers?: Record<string, string>; body?: object }

interface Seen {
  method: string
  path: string
  token: string | undefined
}

interface Parked {
  max: number
  give: (tasks: TaskPayload[]) => void
}

export type FakeOrchestrator = Awaited<ReturnType<typeof startFakeOrchestrator>>

export interface FakeOptions {
  port?: number
  heartbeatSeconds?: number
  /** Answers what else is asked below /_worker/tasks/. */
  files?: (method: string, url: URL, body: unknown) => [number, unknown]
  /** Lets in only the newest of the short-lived tokens, which are got for this one. */
  signIn?: string
}

export const startFakeOrchestrator = async (options: FakeOptions = {}) => {
  const requests: Seen[] = []
  const registrations: ReturnType<typeof registerWorker.parse>[] = []
  const heartbeats: Heartbeat[] = []
  const polls: number[] = []
  /** What each poll asked for; undefined: anything. */
  const pollSkills: (string | undefined)[] = []
  const batches: { results: TaskResult[]; next: number }[] = []
  /** Results that counted, and what was said to every result that came. */
  const accepted: TaskResult[] = []
  const answers: ResultAnswer[] = []
  const progress: ProgressEvent[] = []
  const events: WorkerEvent[] = []
  const queue: TaskPayload[] = []
  const leased = new Map<string, TaskPayload>()
  const cancelled = new Set<string>()
  const faults: { method: string; path: RegExp; fault: Fault; times: number }[] = []
  const sockets = new Set<WebSocket>()
  let parked: Parked[] = []
  let known = false
  let mostLeased = 0
  let rejectSockets = false
  let handedOut = 0
  const signIns: string[] = []
  const good = { access: 'none yet', refresh: 'none yet' }

  const lease = (max: number): TaskPayload[] => {
    const tasks = queue.splice(0, max).map((task) => {
      handedOut += 1
      return { ...task, lease_token: `lease-${handedOut}` }
    })
    for (const task of tasks) leased.set(task.task_id, task)
    mostLeased = Math.max(mostLeased, leased.size)
    return tasks
  }
  const feedParked = () => {
    while (queue.length > 0 && parked.length > 0) {
      const poll = parked.shift()
      poll?.give(lease(poll.max))
    }
  }
  const enqueue = (...tasks: TaskPayload[]) => {
    queue.push(...tasks)
    feedParked()
  }
  const settle = (result: TaskResult): ResultAnswer => {
    const task = leased.get(result.task_id)
    if (task === undefined) return { status: 'ignored', reason: 'stale_task' }
    if (task.lease_token !== result.lease_token || task.attempt !== result.attempt) {
      return { status: 'ignored', reason: 'lease_lost' }
    }
    leased.delete(result.task_id)
    accepted.push(result)
    return { status: 'accepted' }
  }

  const route = async (
    method: string,
    url: URL,
    body: unknown,
    request: IncomingMessage,
  ): Promise<[number, unknown]> => {
    if (url.pathname === '/_worker/workers/register') {
      registrations.push(registerWorker.parse(body))
      known = true
      return [
        200,
        { status: 'registered', version: '1', warning: null, heartbeat_seconds: options.heartbeatSeconds ?? 60 },
      ]
    }
    if (!known) {
      return [404, { error: 'Worker not found', code: 'WORKER_NOT_FOUND', retryable: false, hint: 'Register again.' }]
    }
    if (method === 'PATCH') {
      const beat = heartbeat.parse(body)
      heartbeats.push(beat)
      const gone = beat.current_tasks?.filter((id) => cancelled.has(id) || !leased.has(id)) ?? []
      return [200, gone.length > 0 ? { status: 'ok', cancel_task_ids: gone } : { status: 'ok' }]
    }
    if (url.pathname.endsWith('/tasks/next')) {
      const { max = 1, skills } = pollQuery.parse(Object.fromEntries(url.searchParams))
      polls.push(max)
      pollSkills.push(skills)
      if (queue.length > 0) return [200, { tasks: lease(max) }]
      const tasks = await new Promise<TaskPayload[]>((give) => {
        const poll = { max, give }
        parked.push(poll)
        request.socket.once('close', () => {
          parked = parked.filter((one) => one !== poll)
          give([])
        })
      })
      return tasks.length > 0 ? [200, { tasks }] : [204, undefined]
    }
    if (url.pathname === '/_worker/tasks/results') {
      const batch = resultBatch.parse(body)
      batches.push(batch)
      const results = batch.results.map(settle)
      answers.push(...results)
      return [200, { results, tasks: lease(batch.next) }]
    }
    if (url.pathname === '/_worker/events') {
      const told = progressEvent.safeParse(body)
      if (told.success) progress.push(told.data)
      else events.push(workerEvent.parse(body))
      return [200, { status: 'event_accepted' }]
    }
    if (options.files && url.pathname.startsWith('/_worker/tasks/')) return options.files(method, url, body)
    return [404, { error: 'no such path', code: 'NOT_FOUND', retryable: false, hint: '' }]
  }

  /** The answer to a request that is about tokens, or that has a wrong one. */
  const atTheDoor = (path: string, token: unknown, body: unknown): [number, object] | undefined => {
    if (options.signIn === undefined) return undefined
    const refused: [number, object] = [401, { error: 'no', code: 'UNAUTHENTICATED', retryable: false, hint: '' }]
    if (!path.startsWith('/_worker/auth/')) return token === good.access ? undefined : refused
    const { refresh_token } = (body ?? {}) as { refresh_token?: string }
    signIns.push(path.endsWith('refresh') ? 'refresh' : 'sign in')
    if (path.endsWith('refresh') ? refresh_token !== good.refresh : token !== options.signIn) return refused
    good.access = `access-${signIns.length}`
    good.refresh = `refresh-${signIns.length}`
    return [200, { access_token: good.access, refresh_token: good.refresh, expires_in: 60, worker_id: 'worker-1' }]
  }

  const takeFault = (method: string, path: string): Fault | undefined => {
    const found = faults.find((one) => one.times > 0 && one.method === method && one.path.test(path))
    if (found === undefined) return undefined
    found.times -= 1
    return found.fault
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://fake')
    const method = request.method ?? 'GET'
    let text = ''
    for await (const chunk of request) text += chunk
    const token = request.headers['x-worker-token']
    requests.push({ method, path: url.pathname, token: Array.isArray(token) ? token[0] : token })
    const fault = takeFault(method, url.pathname)
    if (fault === 'hang') return
    if (fault === 'drop') return request.socket.destroy()
    if (typeof fault === 'object') {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
      return response.end(JSON.stringify(fault.body ?? {}))
    }
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const [status, answer] = atTheDoor(url.pathname, token, body) ?? (await route(method, url, body, request))
    if (fault === 'drop-answer') return request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(answer === undefined ? undefined : JSON.stringify(answer))
  }

  const unexpected: unknown[] = []
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      unexpected.push(error)
      request.socket.destroy()
    })
  })
  const webSockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    requests.push({ method: 'WS', path: request.url ?? '', token: String(request.headers['x-worker-token']) })
    if (rejectSockets) return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.add(webSocket)
      webSocket.on('close', () => sockets.delete(webSocket))
      webSocket.on('message', (data) => progress.push(progressEvent.parse(JSON.parse(String(data)))))
    })
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    registrations,
    heartbeats,
    polls,
    pollSkills,
    batches,
    accepted,
    answers,
    progress,
    events,
    sockets,
    unexpected,
    leased,
    enqueue,
    /** The lease of a task ends, and it goes back to the queue as the next attempt. */
    expireLease: (taskId: string) => {
      const task = leased.get(taskId)
      if (task === undefined) throw new Error(`${taskId} is not leased`)
      leased.delete(taskId)
      enqueue({ ...task, attempt: task.attempt + 1 })
    },
    cancel: (taskId: string) => cancelled.add(taskId),
    command: (body: object) => {
      for (const socket of sockets) socket.send(JSON.stringify(body))
    },
    fail: (method: string, path: RegExp, fault: Fault, times = 1) => faults.push({ method, path, fault, times }),
    recover: () => faults.splice(0),
    forgetWorkers: () => {
      known = false
    },
    rejectSockets: (reject: boolean) => {
      rejectSockets = reject
    },
    signIns,
    /** What is shown at the door is good no more. */
    endAccess: () => {
      good.access = 'ended'
    },
    endRefresh: () => {
      good.refresh = 'ended'
    },
    parkedPolls: () => parked.length,
    mostLeased: () => mostLeased,
    close: async () => {
      for (const socket of sockets) socket.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

let made = 0
/** A task for the queue of the fake. */
export const aTask = (fields: Partial<TaskPayload> = {}): TaskPayload => {
  made += 1
  return {
    job_id: crypto.randomUUID(),
    task_id: `task-${made}`,
    type: 'echo',
    params: {},
    priority: 0,
    attempt: 1,
    lease_token: 'set when handed out',
    lease_seconds: 60,
    tracing_context: {},
    timestamp: 0,
    ...fields,
  }
}
