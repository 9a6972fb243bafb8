/** The station where workers get their tasks: what is known of workers and queues, and the polls that wait, over one Store. */
import { createBatcher } from '@tutti/contracts'
import type { Engine, EngineSettings, TaskOutcome } from '../engine.ts'
import type { HeldTask, LeasedTask, TaskRequest } from '../job/task.ts'
import type { After } from '../run/after.ts'
import type { Change, Draw, Drawn, Store, Wakeup } from '../store/port.ts'
import { createDesk, type Desk } from '../workers/desk.ts'
import { createDirectory } from '../workers/directory.ts'
import { createDrains, drainKind } from '../workers/drains.ts'
import { createHeld } from '../workers/held.ts'
import { createReputation, type Deed, reputationKind } from '../workers/reputation.ts'
import { createAsk } from './ask.ts'
import { createEcho } from './echo.ts'
import { explain } from './explain.ts'
import { createHandOut } from './hand-out.ts'
import { createKnownQueues } from './known-queues.ts'
import { createMatching } from './matching.ts'
import { createPermits } from './permits.ts'

export interface StationDeps {
  store: Store
  settings: EngineSettings
  after: After
  newId: () => string
  /** Something is due at this instant: look at the clock no later. */
  expect: (dueAt: number) => void
  onError: (error: unknown) => void
}

export interface HandOutStation extends Omit<Desk, 'seen'>, Pick<Engine, 'take' | 'release' | 'explain'> {
  /** A change was committed by this instance: its tasks are there to be taken. */
  made(change: Change): void
  /** News from any instance. */
  heard(news: Wakeup): void
  /** A worker has answered; `taken` when the job went on with the answer. */
  answered(outcome: TaskOutcome, taken: boolean): void
  /** Time has passed: tasks may have become visible. */
  tick(): void
  start(): void
  /** Answers all polls. */
  stop(): Promise<void>
  /** After the last result: what workers have earned is written. */
  settle(): Promise<void>
}

/** Known queues and workers are read again after this time, should news of them have been lost. */
const directoryMs = 30_000
/** Between two readings of all figures, however many instances write some. */
const reputationMs = 5_000

export const createHandOutStation = (deps: StationDeps): HandOutStation => {
  const { store, settings, after, newId, expect, onError } = deps
  const { now } = store
  const leases = createBatcher<TaskRequest, LeasedTask[]>({ maxBatch: 200, maxInFlight: 2, call: store.leaseTasks })
  const draws = createBatcher<Draw, Drawn>({ maxBatch: 500, maxInFlight: 2, call: store.draw })

  const held = createHeld(now)
  const drains = createDrains(store)
  const reputation = createReputation({
    store,
    settings: settings.reputation,
    after,
    newId,
    onChange: (id) => directory.reconsider([id]),
    onError,
  })
  const directory = createDirectory({
    readAll: store.workers,
    read: store.worker,
    readMarks: async (ids) => {
      await Promise.all([drains.load(ids), reputation.load(ids)])
    },
    drained: drains.has,
    reputation: reputation.of,
    minimum: settings.reputation.minimum,
    now,
    maxAgeMs: Math.min(directoryMs, settings.workerTtlMs / 4),
    onChange: (id, less) => {
      handOut.changed(id)
      if (less) handOut.wakeSome()
    },
    onError,
  })
  const queues = createKnownQueues({
    readAll: store.queues,
    now,
    maxAgeMs: settings.safetyIntervalMs,
    onNew: (queue) => handOut.wake(queue.name, 1),
    onError,
  })
  const matching = createMatching({ queues, directory, minimum: settings.reputation.minimum, now })
  const permits = createPermits({
    rates: settings.skillRates,
    draw: draws.add,
    now,
    after,
    longestMs: settings.safetyIntervalMs,
    onRefill: (skill) => handOut.wakeSkill(skill),
    onError,
  })
  const desk = createDesk({ store, settings, directory, drains, reputation, held, expect, onError })
  const release = async (given: HeldTask[]): Promise<void> => {
    for (const { worker, task } of given) {
      held.remove(worker, [task.id])
      void permits.giveBack(task.skill, 1)
    }
    await store.release(given.map((lease) => [lease.task.id, lease.token]))
  }
  const handOut = createHandOut({
    after,
    find: directory.find,
    peek: directory.peek,
    seen: desk.seen,
    queues,
    matching,
    ask: createAsk({ lease: leases.add, permits, queues, onError }),
    release,
    held: held.count,
    overflowLimit: settings.overflowLimit,
    leaseMs: settings.taskLeaseMs,
    safetyIntervalMs: settings.safetyIntervalMs,
  })
  const echo = createEcho(now)

  const wake = (queue: string, count: number): void => {
    if (count > 0) handOut.wake(queue, count)
  }
  const everybody = (): string[] => directory.all().map((worker) => worker.id)
  const reload = async (load: (ids: string[]) => Promise<void>): Promise<void> => {
    const ids = everybody()
    if (ids.length === 0) return
    await load(ids).catch(onError)
    directory.reconsider(ids)
  }
  let cancelReload: (() => void) | null = null
  const refresh = (): void => {
    Promise.all([queues.refresh(), directory.refresh()]).catch(onError)
  }
  const { register, heartbeat, drain, deregister, renew, giveBackOthers, workers, worker, knownWorker } = desk

  return {
    register,
    heartbeat,
    drain,
    deregister,
    renew,
    giveBackOthers,
    workers,
    worker,
    knownWorker,
    take: async (request) => {
      const taken = await handOut.take(request)
      for (const { worker: id, task, expiresAt } of taken) held.add(id, task.id, expiresAt)
      // A lease shorter than the safety interval must not wait for it when it runs out.
      if (taken.length > 0) expect(Math.min(...taken.map((lease) => lease.expiresAt)))
      return taken
    },
    release,
    explain: (queue) => explain({ queues, directory, matching, permits }, queue),
    made: ({ enqueue }) => {
      const instant = now()
      const counts = new Map<string, number>()
      for (const { queue, visibleAt, concurrencyKey } of enqueue) {
        queues.add(queue)
        // Whether one with a key is open to workers only the Store knows; it tells.
        if (visibleAt <= instant && concurrencyKey === null) counts.set(queue, (counts.get(queue) ?? 0) + 1)
      }
      for (const [queue, count] of counts) wake(queue, echo.made(queue, count))
    },
    heard: (news) => {
      for (const [queue, count] of Object.entries(news.queues ?? {})) wake(queue, echo.heard(queue, count))
      for (const { worker: id, taskId } of news.revoked ?? []) held.remove(id, [taskId])
      if (news.workers) directory.heard(news.workers)
      if (news.records?.includes(drainKind)) void reload(drains.load)
      if (news.records?.includes(reputationKind))
        cancelReload ??= after(reputationMs, () => {
          cancelReload = null
          void reload(reputation.load)
        })
      if (news.resync) {
        queues.doubt()
        directory.doubt()
        refresh()
        handOut.wakeSome()
      }
    },
    answered: (outcome, taken) => {
      held.remove(outcome.worker, [outcome.taskId])
      const deed = deedOf(outcome)
      if (taken && deed) reputation.note(outcome.worker, deed)
    },
    tick: handOut.wakeSome,
    start: refresh,
    stop: async () => {
      await handOut.stop()
      permits.stop()
      cancelReload?.()
      await Promise.all([leases.idle(), draws.idle()])
    },
    settle: reputation.stop,
  }
}

/** A faulty input is not the worker's fault, nor is a task that was cancelled. */
const deedOf = ({ status, error }: TaskOutcome): Deed | null => {
  if (status === 'cancelled') return null
  if (status !== 'failure') return 'success'
  if (error?.code === 'INVALID_INPUT_ERROR') return null
  return error?.code === 'CONTRACT_VIOLATION_ERROR' ? 'violation' : 'failure'
}
