/** Engines over one memory Store, in virtual time, and what workers do to them. */
import type { Json } from '@tutti/contracts'
import { createMemoryStore } from '@tutti/stores'
import { onTestFinished } from 'vitest'
import {
  type Blueprint,
  blueprint,
  createEngine,
  type Engine,
  type EngineSettings,
  type Job,
  type JobSpec,
  type LeasedTask,
  type OutcomeAnswer,
  type Store,
  type TaskOutcome,
} from '../src/index.ts'
import type { After } from '../src/run/after.ts'
import { createTime, type TestTime } from './time.ts'

export interface Fleet {
  time: TestTime
  store: Store
  /** Another instance over the same Store; started unless told otherwise. */
  engine(options?: {
    blueprints?: Blueprint[]
    settings?: Partial<EngineSettings>
    store?: Store
    start?: boolean
    after?: After
    /** Registers workers that ask for tasks, unless set to false. */
    registers?: boolean
  }): Engine
  /** Errors that nobody was there to answer to. */
  errors: unknown[]
}

/** Ends with the test. */
export const createFleet = (blueprints: Blueprint[]): Fleet => {
  const time = createTime()
  const store = createMemoryStore({ now: time.now })
  const engines: Engine[] = []
  const errors: unknown[] = []
  onTestFinished(async () => {
    let stopped = false
    const all = Promise.all(engines.map((engine) => engine.stop())).then(() => {
      stopped = true
    })
    // Handlers that hang end with virtual time.
    await time.until(() => stopped || time.pending() === 0)
    await all
  })
  return {
    time,
    store,
    errors,
    engine: (options = {}) => {
      const engine = createEngine({
        store: options.store ?? store,
        blueprints: options.blueprints ?? blueprints,
        settings: { instance: `engine-${engines.length}`, ...options.settings },
        after: options.after ?? time.after,
        random: () => 0.5,
        onError: (error) => errors.push(error),
      })
      engines.push(engine)
      if (options.start ?? true) engine.start()
      return (options.registers ?? true) ? registering(engine) : engine
    },
  }
}

/** Where a test is not about registration: a worker that asks for tasks of some skills is registered with them first. */
export const registering = (engine: Engine): Engine => ({
  ...engine,
  take: async (request) => {
    const known = await engine.worker(request.worker)
    const skills = request.skills ?? []
    if (!known || skills.some((skill) => !known.skills.includes(skill)))
      await engine.register({
        id: request.worker,
        bootId: known?.bootId ?? null,
        skills: [...new Set([...(known?.skills ?? []), ...skills])],
        info: known?.info ?? {},
      })
    return engine.take(request)
  },
})

/** One task of skill `work`, all routes there. */
export const single = (retry = { attempts: 3 }): Blueprint =>
  blueprint({ name: 'single' })
    .state('start', { start: true, to: ['done', 'rejected'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'done', failure: 'rejected' }, retry, timeout: '10m' }),
    )
    .end('done', ({ data }) => data)
    .end('rejected', { outcome: 'failed' })

export const create = async (engine: Engine, name: string, patch: Partial<JobSpec> = {}): Promise<Job> => {
  const [job] = await engine.create([{ blueprint: name, input: {}, client: 'client', ...patch }])
  if (!job) throw new Error('the job was not created')
  return job
}

export const take = async (
  engine: Engine,
  { worker = 'worker', skills = ['work'], max = 1, leaseMs }: Partial<Parameters<Engine['take']>[0]> = {},
): Promise<LeasedTask[]> =>
  engine.take({ worker, skills, max, waitMs: 0, ...(leaseMs === undefined ? {} : { leaseMs }) })

export const takeOne = async (engine: Engine, request: Parameters<typeof take>[1] = {}): Promise<LeasedTask> => {
  const [leased] = await take(engine, request)
  if (!leased) throw new Error('there was no task to take')
  return leased
}

export const outcomeOf = (leased: LeasedTask, patch: Partial<TaskOutcome> = {}): TaskOutcome => ({
  jobId: leased.task.jobId,
  taskId: leased.task.id,
  worker: leased.worker,
  token: leased.token,
  attempt: leased.task.attempt,
  status: 'success',
  data: null,
  error: null,
  ...patch,
})

export const answer = async (
  engine: Engine,
  leased: LeasedTask,
  patch: Partial<TaskOutcome> = {},
): Promise<OutcomeAnswer> => {
  const [answered] = await engine.results([outcomeOf(leased, patch)])
  if (!answered) throw new Error('the result was not answered')
  return answered
}

export const failure = (code: string, message = 'no luck'): Partial<TaskOutcome> => ({
  status: 'failure',
  error: { code, message },
})

export const logOf = async (engine: Engine, job: Job): Promise<string[]> =>
  (await engine.events(job.id, 0, 1_000)).map((event) => event.type)

export const counted = (types: string[]): Record<string, Json> =>
  Object.fromEntries([...new Set(types)].map((type) => [type, types.filter((each) => each === type).length]))
