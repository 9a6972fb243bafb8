/** The one loop that watches the clock: timers, lost leases, jobs and records that are due. It sleeps until the next instant it knows of. */

import { TuttiError } from '@tutti/contracts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import type { BlueprintVersion, Store } from '../store/port.ts'
import type { After } from './after.ts'
import type { DueRecords } from './due-records.ts'
import type { Delivery, Receipt } from './inbox.ts'

export interface ClockDeps {
  store: Store
  after: After
  deliver: (jobId: string, delivery: Delivery) => Promise<Receipt>
  /** A job that was leased to this instance: its newest state is known. */
  adopt: (job: Job) => void
  blueprints: () => BlueprintVersion[]
  /** Called after each look: tasks may have become visible. */
  onTick: () => void
  records: DueRecords
  onError: (error: unknown) => void
  safetyIntervalMs: number
  /** How long another instance keeps off what this one took. */
  leaseMs: number
}

export interface Clock {
  start(): void
  /** Something is due at this instant: look no later. */
  expect(dueAt: number): void
  stop(): Promise<void>
}

/** Taken per look. Large enough to share round trips, small enough that two instances share the work. */
const batch = 200
/** Between two looks at the soonest, so that a timer that can't be settled does not spin. */
const pauseMs = 5

/**
 * After this long what a Store that is away has kept from being settled is tried again. Its lease keeps all others off it: waiting for
 * that to pass was seen to cost a session ten seconds for each second that the database was away.
 */
const againMs = 500

interface Due {
  jobId: string
  timerId: string | null
  delivery: Delivery
  /** Until then no other instance has it. */
  until: number
}

export const createClock = (deps: ClockDeps): Clock => {
  let running = false
  let wakeAt = Number.POSITIVE_INFINITY
  let loop: Promise<void> = Promise.resolve()
  /** Set while the loop sleeps: changes when it wakes. A delay of 0 wakes it now. */
  let sleepFor: ((ms: number) => void) | null = null

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      let cancel = (): void => {}
      const wake = (): void => {
        cancel()
        sleepFor = null
        resolve()
      }
      sleepFor = (length) => {
        cancel()
        if (length <= 0) wake()
        else cancel = deps.after(length, wake)
      }
      sleepFor(ms)
    })

  /** Taken here, and not settled yet: the Store went away. */
  let owed: Due[] = []

  const settle = async (due: Due): Promise<void> => {
    const { jobId, timerId, delivery } = due
    try {
      const receipt = await deps.deliver(jobId, delivery)
      if (timerId !== null && receipt.verdict !== 'applied') await deps.store.dropTimers([timerId])
    } catch (error) {
      // A fault of ours would be the same again; it comes again when its lease has passed.
      if (isAway(error)) owed.push(due)
      deps.onError(error)
    }
  }

  const look = async (): Promise<boolean> => {
    const until = deps.store.now() + deps.leaseMs
    const [due, jobs] = await Promise.all([
      deps.store.leaseTimers({ limit: batch, leaseMs: deps.leaseMs }),
      deps.store.leaseJobs({ blueprints: deps.blueprints(), limit: batch, leaseMs: deps.leaseMs }),
    ])
    const again = owed.filter((one) => one.until > deps.store.now())
    owed = []
    for (const job of jobs) deps.adopt(job)
    const fresh: Due[] = [
      ...due.timers.map(({ id, jobId, cause }) => ({ jobId, timerId: id, delivery: { cause, timerId: id }, until })),
      ...due.lost.map(({ jobId, taskId, token, attempt, worker, reason }): Due => {
        const cause: Cause = { type: 'task_lost', taskId, attempt, worker, reason }
        return { jobId, timerId: null, delivery: { cause, fence: [taskId, token] }, until }
      }),
      ...jobs.flatMap(({ id, wakeAt }): Due[] =>
        wakeAt === null ? [] : [{ jobId: id, timerId: null, delivery: { cause: { type: 'wake', wakeAt } }, until }],
      ),
    ]
    await Promise.all([...again, ...fresh].map(settle).concat(deps.records.look()))
    return fresh.length >= batch
  }

  const run = async (): Promise<void> => {
    while (running) {
      wakeAt = Number.POSITIVE_INFINITY
      let pause = deps.safetyIntervalMs
      try {
        const more = await look()
        deps.onTick()
        const next = more ? deps.store.now() : await deps.store.nextDue(deps.blueprints(), deps.records.kinds())
        const due = Math.min(next ?? Number.POSITIVE_INFINITY, wakeAt)
        const longest = owed.length > 0 ? againMs : deps.safetyIntervalMs
        pause = Math.min(Math.max(due - deps.store.now(), pauseMs), longest)
      } catch (error) {
        deps.onError(error)
        pause = Math.min(1000, deps.safetyIntervalMs)
      }
      if (!running) return
      wakeAt = deps.store.now() + pause
      await sleep(pause)
    }
  }

  return {
    start: () => {
      if (running) return
      running = true
      loop = run()
    },
    expect: (dueAt) => {
      if (dueAt >= wakeAt) return
      wakeAt = dueAt
      // While it looks, the loop takes `wakeAt` into account by itself. A delay set here would outlive the loop.
      sleepFor?.(dueAt - deps.store.now())
    },
    stop: async () => {
      running = false
      sleepFor?.(0)
      await loop
      await deps.records.idle()
    },
  }
}

const isAway = (error: unknown): boolean => error instanceof TuttiError && error.code === 'STORE_UNAVAILABLE'
