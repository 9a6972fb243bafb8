/**
 * One queue of causes per job: they are applied one after another, and all that are waiting go into one commit.
 * Between instances the job's revision decides: who comes second reads again and applies its causes anew.
 */
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import type { Change, CommitOutcome } from '../store/port.ts'
import { changeOf, type Draft, draftOf, type Env } from '../transition/draft.ts'
import { transition, type Verdict } from '../transition/transition.ts'
import { advance, type Continuation } from './advance.ts'
import type { HandlerOutcome } from './handlers.ts'

export interface Delivery {
  cause: Cause
  /** The lease the cause speaks for; it must still be held when the change is committed. */
  fence?: [taskId: string, token: string]
  /** The timer that brought the cause; it goes with the commit. */
  timerId?: string
}

/** `absent`: no such job. `fenced`: the lease was lost. Else what the core said. */
export interface Receipt {
  verdict: Verdict | 'absent' | 'fenced'
  job: Job | undefined
}

export interface InboxDeps {
  env: () => Env
  read: (id: string) => Promise<Job | undefined>
  commit: (change: Change) => Promise<CommitOutcome>
  advance: Parameters<typeof advance>[1]
  cache: Cache
  /** The cause as it counts, once the job is known: a result that breaks its contract is a failure. */
  weigh?: (job: Job, cause: Cause) => Cause
  onCommitted: (change: Change) => void
  onContinuation: (job: Job, outcome: Promise<HandlerOutcome>) => void
}

export interface Cache {
  get(id: string): Job | undefined
  put(job: Job): void
  drop(id: string): void
}

export interface Inbox {
  /** @throws when the Store can't be reached: then it is unknown whether the cause took effect, and it may be delivered again */
  deliver(jobId: string, delivery: Delivery): Promise<Receipt>
  /** Resolves when no cause is being applied. */
  idle(): Promise<void>
}

interface Entry extends Delivery {
  resolve: (receipt: Receipt) => void
  reject: (error: unknown) => void
}

export const createInbox = (deps: InboxDeps): Inbox => {
  const queues = new Map<string, Entry[]>()
  const working = new Set<Promise<void>>()

  const drain = async (jobId: string, queue: Entry[]): Promise<void> => {
    while (queue.length > 0) {
      const entries = queue.splice(0)
      try {
        await apply(deps, jobId, entries)
      } catch (error) {
        deps.cache.drop(jobId)
        for (const entry of entries) entry.reject(error)
      }
    }
    queues.delete(jobId)
  }

  return {
    deliver: (jobId, delivery) =>
      new Promise((resolve, reject) => {
        const entry = { ...delivery, resolve, reject }
        const queue = queues.get(jobId)
        if (queue) {
          queue.push(entry)
          return
        }
        const fresh = [entry]
        queues.set(jobId, fresh)
        const work = drain(jobId, fresh).finally(() => working.delete(work))
        working.add(work)
      }),
    idle: async () => {
      while (working.size > 0) await Promise.all(working)
    },
  }
}

/** Applies the entries in one commit, again from the newest state as often as others were faster. */
const apply = async (deps: InboxDeps, jobId: string, entries: Entry[]): Promise<void> => {
  let pending = entries
  let job = deps.cache.get(jobId) ?? (await deps.read(jobId))
  while (pending.length > 0) {
    if (!job) {
      for (const entry of pending) entry.resolve({ verdict: 'absent', job: undefined })
      return
    }
    const draft = draftOf(job, deps.env())
    const judged = judge(draft, pending, deps.weigh)
    const taken = judged.filter(({ verdict }) => verdict === 'applied').map(({ entry }) => entry)
    if (taken.length === 0) {
      // The cached copy may be behind what another instance committed: only the Store's own may turn a cause away.
      const current: Job | undefined = await deps.read(jobId)
      if (current?.rev !== job.rev) {
        job = current
        continue
      }
      for (const { entry, verdict } of judged) entry.resolve({ verdict, job })
      return
    }
    const continuation: Continuation | null = await advance(draft, deps.advance)
    const change = changeOf(
      draft,
      fencesOf(taken),
      taken.flatMap(({ cause }) => (cause.type === 'task_result' ? [cause.taskId] : [])),
      judged.flatMap(({ entry }) => (entry.timerId === undefined ? [] : [entry.timerId])),
    )
    const outcome = await deps.commit(change)
    if (outcome.accepted) {
      deps.cache.put(change.job)
      deps.onCommitted(change)
      for (const { entry, verdict } of judged) entry.resolve({ verdict, job: change.job })
      if (continuation) deps.onContinuation(change.job, continuation.outcome)
      return
    }
    deps.cache.drop(jobId)
    if (outcome.reason === 'fenced') {
      const lost = new Set(outcome.tasks)
      // Of what was taken only: another holder of the same task may be waiting behind the late one, and is judged anew.
      const late = taken.filter((entry) => entry.fence && lost.has(entry.fence[0]))
      for (const entry of late) entry.resolve({ verdict: 'fenced', job })
      pending = pending.filter((entry) => !late.includes(entry))
    }
    job = await deps.read(jobId)
  }
}

/** One for each task: a worker's events and its result may travel together. */
const fencesOf = (entries: Entry[]): Change['fences'] => [
  ...new Map(entries.flatMap(({ fence }) => (fence ? [[fence[0], fence] as const] : []))).values(),
]

/**
 * A lease ends once: of two answers to one task that wait here together, the second would otherwise be taken for an answer
 * to the try that the first one led to.
 */
const judge = (
  draft: Draft,
  entries: Entry[],
  weigh: InboxDeps['weigh'] = (_, cause) => cause,
): { entry: Entry; verdict: Verdict }[] => {
  const spoken = new Set<string>()
  return entries.map((entry) => {
    const taskId = entry.fence?.[0]
    if (taskId !== undefined && spoken.has(taskId)) return { entry, verdict: 'stale' }
    const verdict = transition(draft, weigh(draft.job, entry.cause))
    if (taskId !== undefined && verdict === 'applied' && entry.cause.type !== 'worker_event') spoken.add(taskId)
    return { entry, verdict }
  })
}

/** A small memory of the newest states: it saves the read before most commits, and the revision makes a stale copy harmless. */
export const createCache = (size: number): Cache => {
  const jobs = new Map<string, Job>()
  return {
    get: (id) => jobs.get(id),
    put: (job) => {
      jobs.delete(job.id)
      if (job.finishedAt !== null) return
      jobs.set(job.id, job)
      const [oldest] = jobs.keys()
      if (jobs.size > size && oldest !== undefined) jobs.delete(oldest)
    },
    drop: (id) => {
      jobs.delete(id)
    },
  }
}
