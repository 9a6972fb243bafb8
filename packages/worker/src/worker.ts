/** Wires the parts of a worker together and knows its life: start, work, drain or stop. */
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Heartbeat, ProgressEvent, TaskPayload } from '@tutti/contracts'
import { type BackoffOptions, createBackoff } from '@tutti/contracts'
import { type Clock, systemClock } from './clock.ts'
import { createCommands } from './commands.ts'
import type { WorkerDefinition } from './define.ts'
import { createStaging } from './files/staging.ts'
import { createTransfer } from './files/transfer.ts'
import { beat, createNews, type HeartbeatOptions, keepBeating } from './heartbeat.ts'
import { createHotCache, type HotCache } from './hot-cache.ts'
import { noLog, type WorkerLog } from './log.ts'
import { createTaskMetrics, type TaskMetrics } from './metrics.ts'
import { withMiddleware } from './middleware.ts'
import { createOutbox } from './outbox.ts'
import { pollForTasks } from './poll.ts'
import { asRejection, createRegistration } from './registration.ts'
import { createServerClock } from './server-clock.ts'
import { createSign } from './signing.ts'
import { createSkillLimits } from './skill-limits.ts'
import { createSlots, type Slots } from './slots.ts'
import { createTasks, type Finished } from './tasks.ts'
import { type ClientTls, createTlsFetch } from './tls-fetch.ts'
import type { Turn } from './turns.ts'
import { createWakeup } from './wakeup.ts'
import { createWire, WireError } from './wire.ts'

export interface WorkerOptions extends WorkerDefinition {
  /** Address of the orchestrator. */
  url: string
  token: string
  /** Letters, digits, - and _. The same id after a restart takes the place of the former process. */
  id?: string | undefined
  log?: WorkerLog | undefined
  /** Keep the token at home: sign in with it, and show tokens that last an hour from then on. */
  shortLivedTokens?: boolean | undefined
  /** Shows a client certificate, or trusts another authority. Commands over the WebSocket are off then. */
  tls?: ClientTls | undefined
  /** Longest time between two signs of life; the orchestrator may want them sooner. */
  heartbeatSeconds?: number | undefined
  fetch?: typeof fetch | undefined
  /** Without it cancellation arrives with the heartbeat instead of at once. */
  webSocket?: boolean | undefined
  /** How long one poll waits for a task. */
  pollSeconds?: number | undefined
  /** Results that may wait for an unreachable orchestrator before the worker takes no more tasks. */
  resultBuffer?: number | undefined
  /** Shortest time between two progress updates of one task. */
  progressIntervalMs?: number | undefined
  /** Between tries, where the next four don't say otherwise. */
  backoff?: BackoffOptions | undefined
  registrationBackoff?: BackoffOptions | undefined
  resultBackoff?: BackoffOptions | undefined
  pollBackoff?: BackoffOptions | undefined
  /** Between polls that are answered at once, with nothing. */
  idleBackoff?: BackoffOptions | undefined
  /** Times that a result is sent again before it is given up. Unless told: until its deadline has passed. */
  resultRetries?: number | undefined
  /** What there is to tell waits so long for more, before it is told with one sign of life. */
  heartbeatDebounceMs?: number | undefined
  /** Where tasks get their folders; a folder below that of the system unless told. null: files are left where they are. */
  filesDir?: string | null | undefined
  /** False: an event that is not as its skill declares is sent all the same. */
  strictEvents?: boolean | undefined
  /** Messages carry an HMAC, keyed with the token. */
  signMessages?: boolean | undefined
  metrics?: TaskMetrics | undefined
  clock?: Clock | undefined
}

export interface Worker {
  readonly id: string
  /** What is warmed up beside the work of tasks. */
  readonly hot: HotCache
  /** Resolves when the worker is registered and takes tasks; rejects with WorkerRejectedError when it is refused. */
  start(): Promise<void>
  /** Takes no more tasks, finishes those that run, delivers their results; resolves when all is done. */
  drain(): Promise<void>
  /** Aborts everything at once. What ran is handed out again by the orchestrator. */
  stop(): Promise<void>
  /** Resolves after drain or stop; rejects with WorkerRejectedError when the orchestrator refuses this worker. */
  readonly done: Promise<void>
}

export const createWorker = (options: WorkerOptions): Worker => createSharingWorker(options, undefined)

/** What a worker shares with those that serve other orchestrators in its place. */
export interface Shared {
  slots: Slots
  /** The function is called whenever slots may be free. */
  onFree(wake: () => void): void
  turn: Turn | undefined
  /** At most so many are asked for at a time. */
  share: number | undefined
}

export const createSharingWorker = (options: WorkerOptions, shared: Shared | undefined): Worker => {
  const { url, token, concurrency = 10, log = noLog, clock = systemClock, tls, middleware = [], hasRoom } = options
  // The platform's WebSocket shows no certificate.
  const { webSocket = tls === undefined } = options
  const skills = Object.fromEntries(
    Object.entries(options.skills).map(([name, skill]) => [name, withMiddleware(skill, middleware)]),
  )
  if (!/^https?:$/.test(new URL(url).protocol))
    throw new TypeError(`The orchestrator’s address must be http(s): ${url}`)
  const id = options.id ?? `worker-${randomUUID()}`
  const backoffOptions = options.backoff ?? { firstMs: 500, maxMs: 30_000 }
  const newBackoff = (other?: BackoffOptions) => createBackoff(other ?? backoffOptions)
  const stopping = new AbortController()
  const draining = new AbortController()
  const done = Promise.withResolvers<void>()
  // Whoever awaits `done` gets the reason; if nobody does, it must not end the process as an unhandled rejection.
  done.promise.catch(() => {})
  let started: Promise<void> | undefined
  let working = false
  let failure: Error | undefined

  const serverClock = createServerClock(clock.now)
  const sign = options.signMessages ? createSign(token, id, serverClock.now) : undefined
  const wire = createWire({
    sign,
    url,
    token,
    shortLivedTokens: options.shortLivedTokens ?? false,
    workerId: id,
    fetch: options.fetch ?? (tls ? createTlsFetch(tls) : fetch),
    clock,
    serverClock,
    pollSeconds: options.pollSeconds ?? 30,
  })
  const registration = createRegistration({
    wire,
    body: {
      ...options.describe,
      worker_id: id,
      worker_type: options.type ?? 'generic',
      supported_skills: Object.keys(skills),
      max_concurrent_tasks: concurrency,
      boot_id: randomUUID(),
      // Said aloud, because the former process under this id may have left as "draining".
      status: 'idle',
    },
    clock,
    backoff: newBackoff(options.registrationBackoff),
    log,
    signal: stopping.signal,
  })

  const news = createNews()
  const hot = createHotCache(news.tell)
  const isWarm = (name: string, warm: string[]): boolean => {
    const needed = skills[name]?.warmWith ?? []
    return needed.length > 0 && needed.every((each) => warm.includes(each))
  }
  /** Undefined: all. */
  const open = (): string[] | undefined => hasRoom && Object.keys(skills).filter((name) => hasRoom(name))
  const conditions = (): Partial<Heartbeat> => {
    const [available, warm] = [open(), hot.names()]
    return {
      ...(available ? { available_skills: available } : {}),
      hot_skills: Object.keys(skills).filter((name) => isWarm(name, warm)),
      hot_cache: warm,
    }
  }
  const poll = async (max: number, signal: AbortSignal): Promise<TaskPayload[]> => {
    const available = open()
    return available?.length === 0 ? [] : wire.poll(max, available, signal)
  }

  const freed = createWakeup()
  const settled = createWakeup()
  shared?.onFree(freed.wake)
  const slots =
    shared?.slots ??
    createSlots({ concurrency, resultBuffer: options.resultBuffer ?? concurrency + 1000, onFree: freed.wake })

  const halt = () => {
    stopping.abort()
    draining.abort()
    tasks.abortAll('stopped')
  }
  const fail = (error: Error) => {
    if (stopping.signal.aborted) return
    failure = error
    log.error({ error: error.message }, 'the worker ends')
    halt()
  }
  const onTrouble = async (error: unknown) => {
    const rejection = asRejection(error)
    if (rejection !== undefined) return fail(rejection)
    if (error instanceof WireError && error.status === 404) await registration.register().catch(fail)
  }

  const sendProgress = async (event: ProgressEvent) => {
    if (!commands.send(JSON.stringify(sign ? sign(event) : event)))
      await wire.progress({ ...event, worker_id: id }, stopping.signal)
  }
  const onEnd = (finished: Finished | undefined) => {
    slots.taskEnded(finished !== undefined)
    if (finished !== undefined) outbox.add(finished)
    settled.wake()
  }
  const onTasks = (taken: TaskPayload[], reserved: number) => {
    let arrived = 0
    for (const payload of stopping.signal.aborted ? [] : taken) {
      // A newer hand-out of a task makes an older result of it worthless.
      outbox.drop(payload.task_id)
      if (tasks.accept(payload)) arrived += 1
    }
    slots.settle(reserved, arrived)
  }

  const { filesDir = join(tmpdir(), 'payloads') } = options
  const staging =
    filesDir === null
      ? undefined
      : createStaging({
          dir: filesDir,
          wire,
          transfer: createTransfer({ ca: tls?.ca }),
          clock,
          backoff: () => newBackoff(),
        })
  const tasks = createTasks({
    skills,
    limits: createSkillLimits(options.perSkill ?? {}),
    clock,
    serverClock,
    log,
    progressIntervalMs: options.progressIntervalMs ?? 500,
    hot,
    sendProgress,
    sendEvent: wire.event,
    strictEvents: options.strictEvents ?? true,
    newBackoff: () => newBackoff(),
    staging,
    metrics: options.metrics ?? createTaskMetrics(),
    onEnd,
  })
  const outbox = createOutbox({
    workerId: id,
    send: wire.results,
    slots,
    clock,
    backoff: newBackoff(options.resultBackoff),
    mostRetries: options.resultRetries,
    log,
    // A result can't say for which skills there is room, nor whose turn it is: then the next poll does.
    wantsTasks: () => !draining.signal.aborted && hasRoom === undefined && shared === undefined,
    onTasks,
    onTrouble,
    onGone: settled.wake,
  })
  const commands = createCommands({
    url,
    token: wire.token,
    workerId: id,
    clock,
    backoff: newBackoff(),
    log,
    onCommand: ({ task_id }) => tasks.abort(task_id, 'cancelled'),
  })

  const heartbeat: HeartbeatOptions = {
    send: wire.heartbeat,
    status: () => (draining.signal.aborted ? 'draining' : tasks.count() > 0 ? 'busy' : 'idle'),
    load: () => tasks.count() / concurrency,
    more: conditions,
    held: () => new Map([...outbox.held(), ...tasks.held()]),
    onLost: (taskId, leaseToken) => {
      tasks.abort(taskId, 'lost', leaseToken)
      outbox.drop(taskId, leaseToken)
    },
    signal: stopping.signal,
  }

  const loops = () => [
    pollForTasks({
      poll,
      slots,
      freed,
      turn: shared?.turn,
      most: shared?.share ?? 1000,
      clock,
      backoff: newBackoff(options.pollBackoff),
      idleBackoff: createBackoff(options.idleBackoff ?? { firstMs: 10, maxMs: 5_000 }),
      log,
      onTasks,
      onTrouble,
      signal: draining.signal,
    }).then(finishWork),
    outbox.run(stopping.signal),
    keepBeating({
      ...heartbeat,
      intervalMs: () =>
        Math.min(registration.heartbeatMs(), (options.heartbeatSeconds ?? Number.POSITIVE_INFINITY) * 1000),
      clock,
      backoff: newBackoff(),
      log,
      news,
      debounceMs: options.heartbeatDebounceMs ?? 100,
      onTrouble,
    }),
    ...(webSocket ? [commands.run(stopping.signal)] : []),
  ]

  /** After the last poll: leases are kept alive and results sent until nothing is left. */
  const finishWork = async () => {
    if (!stopping.signal.aborted) void beat(heartbeat).catch(() => {})
    while (!stopping.signal.aborted && tasks.count() + outbox.count() > 0) await settled.wait(stopping.signal)
    halt()
  }

  const start = async () => {
    try {
      await registration.register()
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      halt()
      done.reject(failure)
      throw failure
    }
    working = true
    void Promise.all(stopping.signal.aborted ? [] : loops()).then(
      () => (failure === undefined ? done.resolve() : done.reject(failure)),
      (error: unknown) => {
        halt()
        done.reject(error)
      },
    )
  }

  return {
    id,
    hot,
    start: () => {
      started ??= start()
      return started
    },
    drain: () => {
      if (started === undefined) done.resolve()
      // Not registered yet: there is nothing to finish, and waiting for an absent orchestrator would never end.
      if (working) draining.abort()
      else halt()
      return done.promise
    },
    stop: () => {
      if (started === undefined) done.resolve()
      halt()
      return done.promise
    },
    done: done.promise,
  }
}
