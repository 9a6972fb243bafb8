/** Wires the stations: intake → transition → commit → news → hand-out, and the clock beside them. */
import { createBatcher, isTerminal, TuttiError } from '@tutti/contracts'
import type { Blueprint } from '../blueprint/blueprint.ts'
import type { TaskFiles } from '../blueprint/files.ts'
import { createRegistry } from '../blueprint/registry.ts'
import type { Engine, EngineSettings, JobSpec, OutcomeAnswer, Revocation, TaskOutcome } from '../engine.ts'
import { createHandOutStation } from '../hand-out/station.ts'
import type { Cause } from '../job/cause.ts'
import { isTaskBranch, type Job } from '../job/job.ts'
import type { Change, CommitOutcome, Store, Wakeup } from '../store/port.ts'
import type { Env } from '../transition/draft.ts'
import { findOpen } from '../transition/result.ts'
import { type After, realAfter } from './after.ts'
import { createClock } from './clock.ts'
import { createCommands } from './commands.ts'
import { createDataStores } from './data-stores.ts'
import { createDueRecords } from './due-records.ts'
import { asCause, createHandlers, type HandlerOutcome } from './handlers.ts'
import { createCache, createInbox, type Receipt } from './inbox.ts'
import { createIntake } from './intake.ts'
import { contractViolation, keepContract } from './result-contract.ts'
import { createRetention } from './retention.ts'

export const defaultSettings: EngineSettings = {
  instance: 'engine',
  taskAttempts: 4,
  taskTimeoutMs: 300_000,
  taskLeaseMs: 120_000,
  workerTtlMs: 120_000,
  handlerAttempts: 4,
  handlerTimeoutMs: 60_000,
  inlineHandlerMs: 50,
  maxHandlers: 100,
  maxTransitions: 100,
  maxDepth: 20,
  maxSignals: 1000,
  skillRates: {},
  reputation: { reward: 0.001, failurePenalty: 0.05, violationPenalty: 0.2, minimum: 0.3 },
  overflowLimit: 3,
  safetyIntervalMs: 5_000,
  retentionMs: null,
}

export interface EngineDeps {
  store: Store
  blueprints: readonly Blueprint[]
  settings?: Partial<EngineSettings>
  /** Files for handlers. Left out: their context's `files` throws. */
  files?: (job: Job) => TaskFiles
  /** Told of errors that nobody is there to answer to: the loops go on. */
  onError?: (error: unknown) => void
  /** Told of each change of this instance that was taken, in no particular order with others. Must not throw. */
  onCommitted?: (change: Change) => void
  newId?: () => string
  random?: () => number
  after?: After
  /** Jobs that ended later are not purged yet, however old they may get: an archive holds them back until it has them. */
  purgeBefore?: () => Promise<number>
}

/**
 * How long others keep off what one instance has taken to settle at once, and so how long it stands still when that instance is killed
 * in this moment. It need outlast no more than a commit, which takes milliseconds: what takes longer comes again, and finds that it has been
 * settled.
 */
const settleLeaseMs = 3_000
/** A webhook's receiver is waited for, up to 10 s. */
const recordLeaseMs = 30_000

/**
 * An engine over a Store.
 * @throws BlueprintError naming every fault of every blueprint
 */
export const createEngine = (deps: EngineDeps): Engine => {
  const { store, newId = () => crypto.randomUUID(), random = Math.random, after = realAfter } = deps
  const onError = deps.onError ?? (() => {})
  const settings: EngineSettings = { ...defaultSettings, ...deps.settings }
  const blueprints = createRegistry(deps.blueprints)
  const limits: Env['limits'] = settings
  const env = (): Env => ({ now: store.now(), newId, random, limits })

  const commits = createBatcher<Change, CommitOutcome>({ maxBatch: 500, maxInFlight: 2, call: store.commit })
  /** What takes long is done before a change joins the others: one large payload must not hold up, or fail, a whole batch. */
  const commit = async (change: Change): Promise<CommitOutcome> => {
    if (store.prepare) await store.prepare(change)
    return commits.add(change)
  }
  const reads = createBatcher<string, Job | undefined>({ maxBatch: 500, maxInFlight: 2, call: store.job })

  const dataStores = createDataStores(onError)
  const handlers = createHandlers({
    blueprints,
    dataStores,
    files: deps.files ?? null,
    after,
    timeoutMs: settings.handlerTimeoutMs,
    maxConcurrent: settings.maxHandlers,
  })
  const cache = createCache(1000)
  // The lease outlasts the handler's own limit, so that a handler is only repeated when its instance has died.
  const advanceDeps = {
    handlers,
    after,
    inlineMs: settings.inlineHandlerMs,
    leaseMs: settings.handlerTimeoutMs + 10_000,
  }
  const continuations = new Set<Promise<void>>()
  const onContinuation = (job: Job, outcome: Promise<HandlerOutcome>): void => {
    const work = outcome
      .then((result) => inbox.deliver(job.id, { cause: asCause(result, job.wakeAt) }))
      // The lease of the handler runs out, and the clock of any instance runs it again.
      .then(() => {}, onError)
      .finally(() => continuations.delete(work))
    continuations.add(work)
  }
  const onCommitted = (change: Change): void => {
    handOut.made(change)
    deps.onCommitted?.(change)
    const due = [
      ...change.setTimers.map((timer) => timer.dueAt),
      ...change.requeue.map((entry) => entry.visibleAt),
      ...change.spawn.map(() => store.now()),
      ...change.records.flatMap(({ dueAt }) => (dueAt === null ? [] : [dueAt])),
      ...change.enqueue.flatMap(({ pickupBy }) => (pickupBy === null ? [] : [pickupBy])),
      ...(change.job.wakeAt === null ? [] : [change.job.wakeAt]),
    ]
    if (due.length > 0) clock.expect(Math.min(...due))
  }
  const keep = keepContract(blueprints)
  /** Results that were no success, whatever their workers say. */
  const broken = new WeakSet<Cause>()
  const inbox = createInbox({
    env,
    weigh: (job, cause) => {
      const judged = keep(job, cause)
      if (judged !== cause && judged.type === 'task_result' && judged.error?.code === contractViolation)
        broken.add(cause)
      return judged
    },
    read: reads.add,
    commit,
    advance: advanceDeps,
    cache,
    onCommitted,
    onContinuation,
  })
  const intake = createIntake({
    blueprints,
    quota: store,
    env,
    commit,
    read: reads.add,
    advance: advanceDeps,
    cache,
    onCommitted,
    onContinuation,
  })
  const handOut = createHandOutStation({
    store,
    settings,
    after,
    newId,
    expect: (dueAt) => clock.expect(dueAt),
    onError,
  })
  const retention = createRetention({
    store,
    retentionMs: settings.retentionMs,
    purgeBefore: deps.purgeBefore ?? (() => Promise.resolve(Number.POSITIVE_INFINITY)),
    onError,
  })
  const records = createDueRecords({
    store,
    leaseMs: recordLeaseMs,
    onError,
    expect: (dueAt) => clock.expect(dueAt),
  })
  const clock = createClock({
    store,
    after,
    deliver: inbox.deliver,
    adopt: cache.put,
    blueprints: blueprints.versions,
    onTick: () => {
      handOut.tick()
      retention.tick()
    },
    records,
    onError,
    safetyIntervalMs: settings.safetyIntervalMs,
    leaseMs: settleLeaseMs,
  })

  blueprints.onChange(({ added, replaced }) => {
    for (const { former } of replaced) dataStores.retire(former)
    // Jobs may have waited for what came.
    if (added.length > 0) clock.expect(store.now())
  })

  const watchers = new Map<string, Set<() => void>>()
  const revocationListeners = new Set<(revocation: Revocation) => void>()
  const unsubscribe = store.subscribe((news: Wakeup) => {
    handOut.heard(news)
    for (const jobId of news.jobs ?? []) for (const listener of watchers.get(jobId) ?? []) listener()
    for (const revocation of news.revoked ?? []) for (const listener of revocationListeners) listener(revocation)
    if (news.dueAt !== undefined) clock.expect(news.dueAt)
    if (news.resync) {
      clock.expect(store.now())
      for (const listeners of watchers.values()) for (const listener of listeners) listener()
    }
  })

  const own = async (id: string, client: string | null): Promise<Job> => {
    const job = await reads.add(id)
    if (!job || (client !== null && job.client !== client)) throw new TuttiError('JOB_NOT_FOUND', 'Job not found')
    return job
  }

  const record = async (outcome: TaskOutcome): Promise<OutcomeAnswer> => {
    const { jobId, taskId, worker, status, data, error } = outcome
    // Older workers send no token; the one their worker holds is the one that must still be good.
    const token = outcome.token ?? (await store.held(worker, taskId))
    if (token === undefined) return ignored(await whyNotHeld(jobId, taskId))
    const isBranch = waitsInParallel(cache.get(jobId), taskId)
    const cause: Cause = {
      type: 'task_result',
      taskId,
      attempt: outcome.attempt ?? null,
      worker,
      status,
      data,
      error,
      durationMs: outcome.durationMs ?? null,
    }
    const receipt = await inbox.deliver(jobId, { cause, fence: [taskId, token] })
    handOut.answered(
      broken.has(cause) ? { ...outcome, status: 'failure', error: { code: contractViolation, message: '' } } : outcome,
      receipt.verdict === 'applied',
    )
    const answer = answerOf(receipt)
    if (answer.status === 'ignored') return answer
    if (isBranch || waitsInParallel(receipt.job, taskId)) return { ...answer, as: 'branch' }
    return receipt.job?.error?.code === 'UNHANDLED_STATUS' ? { ...answer, as: 'unhandled' } : answer
  }
  const whyNotHeld = async (jobId: string, taskId: string) => {
    const job = await reads.add(jobId)
    if (!job) return 'job_not_found'
    if (isTerminal(job.status)) return whyOver(job)
    return findOpen(job.waiting, taskId) ? 'lease_lost' : 'stale_task'
  }

  return {
    blueprints,
    settings,
    create: (specs: JobSpec[]) => intake.create(specs),
    job: own,
    jobs: (query) => store.jobs(query),
    events: (jobId, since, limit) => store.events(jobId, since, limit),
    ...createCommands({ store, blueprints, newId, own, deliver: inbox.deliver, begin: intake.begin }),
    onDue: records.onDue,
    register: handOut.register,
    heartbeat: handOut.heartbeat,
    drain: handOut.drain,
    deregister: handOut.deregister,
    renew: handOut.renew,
    giveBackOthers: handOut.giveBackOthers,
    workers: handOut.workers,
    worker: handOut.worker,
    knownWorker: handOut.knownWorker,
    explain: handOut.explain,
    take: handOut.take,
    release: handOut.release,
    results: (outcomes) => Promise.all(outcomes.map(record)),
    progress: async ({ worker, jobId, taskId, progress, message }) => {
      if ((await store.held(worker, taskId)) === undefined) return
      await inbox.deliver(jobId, { cause: { type: 'progress', taskId, progress, message } })
    },
    heldTask: async ({ worker, jobId, taskId, token }) => {
      const held = await store.held(worker, taskId)
      if (held === undefined || (token !== undefined && token !== held)) return undefined
      const job = await reads.add(jobId)
      const found = job && findOpen(job.waiting, taskId)
      return found && { job, task: found.open }
    },
    workerEvent: async ({ id = null, worker, jobId, taskId, name, data, token }) => {
      const held = token ?? (await store.held(worker, taskId))
      if (held === undefined) return ignored(await whyNotHeld(jobId, taskId))
      const cause = { type: 'worker_event', id, taskId, worker, name, data } as const
      return answerOf(await inbox.deliver(jobId, { cause, fence: [taskId, held] }))
    },
    watch: (jobId, listener) => {
      const listeners = watchers.get(jobId) ?? new Set()
      listeners.add(listener)
      watchers.set(jobId, listeners)
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) watchers.delete(jobId)
      }
    },
    onRevoked: (listener) => {
      revocationListeners.add(listener)
      return () => revocationListeners.delete(listener)
    },
    start: () => {
      clock.start()
      handOut.start()
    },
    stop: async () => {
      await Promise.all([handOut.stop(), clock.stop()])
      // A handler that ends may lead to another slow one.
      while (continuations.size > 0) await Promise.all(continuations)
      await inbox.idle()
      await Promise.all([commits.idle(), retention.idle(), handOut.settle()])
      await dataStores.close()
      unsubscribe()
    },
  }
}

const ignored = (reason: Exclude<OutcomeAnswer, { status: 'accepted' }>['reason']): OutcomeAnswer => ({
  status: 'ignored',
  reason,
})

/** A job whose last branch has just answered has moved on: then only what was known of it before can tell. */
const waitsInParallel = (job: Job | undefined, taskId: string): boolean =>
  job?.waiting?.kind === 'parallel' &&
  job.waiting.branches.some((branch) => isTaskBranch(branch) && branch.task.id === taskId)

const whyOver = (job: Job | undefined) => {
  if (job?.status === 'cancelled') return 'job_cancelled'
  return job?.error?.code === 'DEADLINE' || job?.error?.code === 'RESULT_DEADLINE'
    ? 'deadline_exceeded'
    : 'job_already_terminated'
}

const answerOf = ({ verdict, job }: Receipt): OutcomeAnswer => {
  switch (verdict) {
    case 'applied':
    case 'repeated':
      return { status: 'accepted' }
    case 'absent':
      return ignored('job_not_found')
    case 'terminal':
      return ignored(whyOver(job))
    case 'fenced':
      return ignored('lease_lost')
    default:
      return ignored('stale_task')
  }
}
