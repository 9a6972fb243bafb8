/** A client that creates jobs, repeats itself when it gets no answer, approves, changes its mind. */
import { isTerminal, type JsonObject } from '@tutti/contracts'
import type { Engine, JobSpec } from '@tutti/engine'
import type { Random } from './random.ts'
import type { World } from './world.ts'

export interface ClientDeps {
  world: World
  random: Random
  engine: () => Engine | undefined
  jobs: number
  onCreated: (id: string) => void
  /** The job is known to have ended: it may even be purged. */
  over: (id: string) => boolean
}

const kinds = ['sequence', 'fan_out', 'approved', 'parent', 'unruly'] as const

const inputOf = (kind: (typeof kinds)[number], random: Random): JsonObject =>
  kind === 'fan_out'
    ? {
        width: random.between(0, 6),
        fail_fast: random.chance(0.3),
        ...(random.chance(0.4) ? { cap: random.between(1, 3) } : {}),
      }
    : {}

/** Resolves when every job it was to create exists and has ended. */
export const runClient = async ({ world, random, engine, jobs, onCreated, over }: ClientDeps): Promise<void> => {
  const attempt = async <T>(call: (engine: Engine) => Promise<T>): Promise<T | undefined> => {
    const instance = engine()
    if (!instance) return undefined
    return Promise.race([call(instance).catch(() => undefined), world.sleep(10_000).then(() => undefined)])
  }
  const one = async (): Promise<void> => {
    await world.sleep(random.between(0, 20_000))
    const kind = random.pick(kinds)
    const spec: JobSpec = {
      id: random.uuid(),
      blueprint: kind,
      input: inputOf(kind, random),
      client: 'client',
      priority: random.between(0, 3),
      ...(random.chance(0.1) ? { deadlineMs: random.between(1_000, 60_000) } : {}),
    }
    const id = spec.id as string
    // Asked for once more when it had ended and was purged, it would begin anew.
    while (!over(id) && !(await attempt((instance) => instance.create([spec]))))
      await world.sleep(random.between(50, 1_000))
    onCreated(id)
    const cancelling = random.chance(0.15)
    if (cancelling) {
      await world.sleep(random.between(0, 15_000))
      await attempt((instance) => instance.cancel(id, 'client', 'client', null))
    }
    for (;;) {
      const job = await attempt((instance) => instance.job(id, 'client'))
      if ((job && isTerminal(job.status)) || over(id)) return
      if (job?.status === 'waiting_for_human' && random.chance(0.5)) {
        const decision = random.pick(['yes', 'yes', 'yes', 'no', 'nonsense'])
        const approve = () =>
          attempt((instance) => instance.approve(id, 'client', { decision, by: 'person', comment: null }))
        await Promise.all(random.chance(0.3) ? [approve(), approve()] : [approve()])
      }
      await world.sleep(random.between(200, 3_000))
    }
  }
  await Promise.all(Array.from({ length: jobs }, one))
}
