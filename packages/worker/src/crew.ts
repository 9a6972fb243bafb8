/** One worker for several orchestrators: it registers with each, and its slots are shared. */
import { systemClock } from './clock.ts'
import { createSlots } from './slots.ts'
import { createTurns, type TurnMode } from './turns.ts'
import { createSharingWorker, type Worker, type WorkerOptions } from './worker.ts'

export interface OrchestratorAddress {
  url: string
  /** Where it is another than that of the rest. */
  token?: string | undefined
  /** Lower ones are asked first; 10 unless told. */
  priority?: number | undefined
  /** 1 unless told. */
  weight?: number | undefined
}

export interface CrewOptions extends Omit<WorkerOptions, 'url'> {
  orchestrators: readonly OrchestratorAddress[]
  /** `all`: each is polled all the time, for its share of the slots. */
  mode: TurnMode | 'all'
}

/** While one is asked, the others wait: so nobody is asked for long. */
const pollSeconds = 2

/** `start` resolves with the first orchestrator that takes the worker, and rejects when none does. */
export const createCrew = ({ orchestrators, mode, ...options }: CrewOptions): Omit<Worker, 'hot'> => {
  if (orchestrators.length === 0) throw new TypeError('A worker needs at least one orchestrator')
  const { concurrency = 10, clock = systemClock, id = `worker-${crypto.randomUUID()}` } = options
  const wakers = new Set<() => void>()
  const slots = createSlots({
    concurrency,
    resultBuffer: options.resultBuffer ?? concurrency + 1000,
    onFree: () => {
      for (const wake of wakers) wake()
    },
  })
  const places = orchestrators.map(({ priority = 10, weight = 1 }) => ({ priority, weight }))
  const turns = mode === 'all' ? [] : createTurns(mode, places)
  const share = mode === 'all' ? Math.max(1, Math.floor(concurrency / orchestrators.length)) : undefined
  const workers = orchestrators.map(({ url, token = options.token }, at) =>
    createSharingWorker(
      {
        ...options,
        clock,
        id,
        url,
        token,
        // Held slots are nobody else's: with turns the others wait for them, with shares they may lack some.
        pollSeconds: Math.min(options.pollSeconds ?? pollSeconds, pollSeconds),
      },
      { slots, onFree: (wake) => wakers.add(wake), turn: turns[at], share },
    ),
  )
  const done = Promise.allSettled(workers.map((worker) => worker.done)).then((ends) => {
    const [first] = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    // As long as one orchestrator takes it, the refusal of another is for the log.
    if (ends.every(({ status }) => status === 'rejected')) throw first
  })
  done.catch(() => {})
  return {
    id,
    start: async () => {
      const starts = workers.map((worker) => worker.start())
      await Promise.any(starts).catch((error: AggregateError) => {
        throw error.errors[0]
      })
    },
    drain: async () => {
      await Promise.allSettled(workers.map((worker) => worker.drain()))
      return done
    },
    stop: async () => {
      await Promise.allSettled(workers.map((worker) => worker.stop()))
      return done
    },
    done,
  }
}
