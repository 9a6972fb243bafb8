/** A worker that is like workers are: slow, forgetful, gone, back again, and sure that it did answer. */
import type { Engine, LeasedTask, TaskOutcome } from '@tutti/engine'
import type { Random } from './random.ts'
import type { World } from './world.ts'

export interface WorkerDeps {
  id: string
  skills: string[]
  world: World
  random: Random
  /** Any instance that is up; undefined when none is. */
  engine: () => Engine | undefined
  calm: () => boolean
  stopped: () => boolean
  onAnswer: (outcome: TaskOutcome, status: string) => void
}

export const runWorker = async (deps: WorkerDeps): Promise<void> => {
  const { id, skills, world, random } = deps
  let boot = 0
  let holding = new Map<string, LeasedTask>()
  const attempt = async <T>(call: (engine: Engine) => Promise<T>): Promise<T | undefined> => {
    const engine = deps.engine()
    if (!engine) return undefined
    const answer = call(engine).catch((error: unknown) => {
      // It was silent for so long that it is not known any more.
      if ((error as { code?: unknown }).code === 'WORKER_NOT_FOUND') void register()
      return undefined
    })
    // A request to a dead process never comes back: the worker gives up after a while.
    return Promise.race([answer, world.sleep(15_000).then(() => undefined)])
  }
  const register = (): Promise<unknown> =>
    attempt(async (engine) => {
      await engine.register({ id, bootId: `${id}-${boot}`, skills, info: {} })
      return true
    })
  const heartbeats = async (): Promise<void> => {
    while (!deps.stopped()) {
      await world.sleep(random.between(500, 1_500))
      if (!deps.calm() && random.chance(0.2)) continue
      await attempt((engine) => engine.heartbeat(id, {}, [...holding.keys()]))
    }
  }
  const work = async (lease: LeasedTask): Promise<void> => {
    const bootOfTask = boot
    const calm = deps.calm()
    await world.sleep(random.between(1, calm ? 50 : 400) * (!calm && random.chance(0.05) ? 100 : 1))
    // A process that died in between never answers.
    if (bootOfTask !== boot) return
    if (!calm && random.chance(0.05)) {
      holding.delete(lease.task.id)
      return
    }
    const failing = !calm && random.chance(0.15)
    const outcome: TaskOutcome = {
      jobId: lease.task.jobId,
      taskId: lease.task.id,
      worker: id,
      token: lease.token,
      attempt: lease.task.attempt,
      status: failing ? 'failure' : 'success',
      data: failing ? null : { answered: lease.task.id },
      error: failing
        ? { code: random.chance(0.9) ? 'TRANSIENT_ERROR' : 'PERMANENT_ERROR', message: 'simulated' }
        : null,
    }
    const send = async (): Promise<void> => {
      for (let tries = 0; tries < 20; tries += 1) {
        const answers = await attempt((engine) => engine.results([outcome]))
        if (answers?.[0]) {
          deps.onAnswer(outcome, answers[0].status)
          return
        }
        await world.sleep(random.between(50, 2_000))
      }
    }
    const sending = [send()]
    if (!calm && random.chance(0.15)) sending.push(world.sleep(random.between(0, 3_000)).then(send))
    await Promise.all(sending)
    holding.delete(lease.task.id)
  }
  while (!(await register())) await world.sleep(200)
  void heartbeats()
  while (!deps.stopped()) {
    if (!deps.calm() && random.chance(0.03)) {
      boot += 1
      holding = new Map()
      await world.sleep(random.between(100, 10_000))
      await register()
    }
    const gone = new AbortController()
    if (!deps.calm() && random.chance(0.1)) world.after(random.between(0, 50), () => gone.abort())
    const leases = await attempt((engine) =>
      engine.take({ worker: id, skills, max: random.between(1, 3), waitMs: 5_000, signal: gone.signal }),
    )
    if (!leases) {
      await world.sleep(200)
      continue
    }
    for (const lease of leases) {
      holding.set(lease.task.id, lease)
      void work(lease)
    }
  }
}
