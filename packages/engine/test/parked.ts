/** A queue whose answers can be held up on their way, and polls that wait at it. */

import { createHandOut } from '../src/hand-out/hand-out.ts'
import { createKnownQueues } from '../src/hand-out/known-queues.ts'
import { createMatching } from '../src/hand-out/matching.ts'
import type { WorkerRecord } from '../src/index.ts'
import type { HeldTask, LeasedTask, TaskRequest } from '../src/job/task.ts'
import { createDirectory } from '../src/workers/directory.ts'
import { createTime } from './time.ts'

const leaseOf = (skill: string, worker: string): LeasedTask => ({
  task: {
    id: crypto.randomUUID(),
    jobId: 'job',
    client: 'client',
    skill,
    queue: skill,
    params: {},
    priority: 0,
    attempt: 1,
    timeoutMs: null,
    concurrencyKey: null,
    concurrencyLimit: 1,
    fairKey: 'client',
    pickupBy: null,
    trace: null,
    visibleAt: 0,
  },
  worker,
  token: 'token',
  expiresAt: 0,
  deadlineAt: null,
})

/** A queue of skills, whose answers can be held up on their way. */
export const setUp = () => {
  const time = createTime()
  const queue: string[] = []
  const released: HeldTask[] = []
  const looks: TaskRequest[] = []
  let gate: Promise<void> | null = null
  let failing = false
  let compared = 0
  const onError = (error: unknown): void => {
    throw error
  }
  const queues = createKnownQueues({
    readAll: async () => [],
    now: time.now,
    maxAgeMs: Number.POSITIVE_INFINITY,
    onNew: () => {},
    onError,
  })
  const registered = new Map<string, WorkerRecord>()
  const directory = createDirectory({
    readAll: async () => [...registered.values()],
    read: async (id) => registered.get(id),
    readMarks: async () => {},
    drained: () => false,
    reputation: () => 1,
    minimum: 0.3,
    now: time.now,
    maxAgeMs: Number.POSITIVE_INFINITY,
    onChange: () => {},
    onError,
  })
  const handOut = createHandOut({
    after: time.after,
    find: directory.find,
    peek: directory.peek,
    seen: () => {},
    queues,
    matching: createMatching({ queues, directory, minimum: 0.3, now: time.now }),
    held: () => {
      compared += 1
      return 0
    },
    overflowLimit: 3,
    ask: async (request) => {
      looks.push(request)
      if (failing) throw new Error('the Store can not be reached')
      const leases: LeasedTask[] = []
      for (const skill of [...queue])
        if (leases.length < request.max && request.queues.includes(skill)) {
          queue.splice(queue.indexOf(skill), 1)
          leases.push(leaseOf(skill, request.worker))
        }
      if (gate) await gate
      return leases
    },
    release: async (leases) => {
      released.push(...leases)
      for (const { task } of leases) {
        queue.push(task.skill)
        handOut.wake(task.skill, 1)
      }
    },
    leaseMs: 60_000,
    safetyIntervalMs: 5_000,
  })
  const answers = new Map<string, string[]>()
  const poll = (
    worker: string,
    skills: string[],
    options: { max?: number; waitMs?: number; signal?: AbortSignal } = {},
  ) => {
    const { max = 1, waitMs = 60_000, signal } = options
    const lease = { registeredAt: 0, lastSeenAt: 0, expiresAt: Number.POSITIVE_INFINITY }
    registered.set(worker, { id: worker, bootId: null, skills, info: {}, ...lease })
    const taken = handOut.take({ worker, skills, max, waitMs, ...(signal ? { signal } : {}) })
    void taken.then(
      (leases) =>
        answers.set(
          worker,
          leases.map((leased) => leased.task.skill),
        ),
      () => answers.set(worker, ['failed']),
    )
    return taken
  }
  /** Holds up every answer from now on until the returned function is called. */
  const hold = (): (() => void) => {
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = () => {
        gate = null
        resolve()
      }
    })
    return () => open()
  }
  const enqueue = (...skills: string[]): void => {
    queue.push(...skills)
    for (const skill of skills) handOut.wake(skill, 1)
  }
  return {
    time,
    handOut,
    queue,
    released,
    looks,
    answers,
    poll,
    hold,
    enqueue,
    /** Polls that were compared with others until now. */
    compared: () => compared,
    fail: (on: boolean) => {
      failing = on
    },
  }
}
