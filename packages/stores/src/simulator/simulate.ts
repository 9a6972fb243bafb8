/** One simulated world from one seed: a few instances, workers and jobs, and everything that goes wrong between them. */
import { isTerminal } from '@tutti/contracts'
import { createEngine, type Engine, type FeedEvent, type Job, type JobEvent, type Store } from '@tutti/engine'
import { type Audit, audit, BrokenPromise } from './audit.ts'
import { simulatedBlueprints, unruly } from './blueprints.ts'
import { runClient } from './client.ts'
import { type Faults, type Life, noFaults, overNetwork } from './network.ts'
import { createRandom, type Random } from './random.ts'
import { receipt, spiced } from './spice.ts'
import { memoryStage, type OpenStage, type Stage } from './stage.ts'
import { runWorker } from './worker.ts'
import type { World } from './world.ts'

export interface SimulationResult {
  seed: number
  jobs: number
  /** How they ended. */
  ends: Record<string, number>
  events: number
  crashes: number
  /** Jobs that were purged while others ran. */
  purged: number
  /** Tasks that no worker took in time. */
  notPickedUp: number
  /** The most tasks of one concurrency key that were in workers' hands at a time. */
  mostOfKey: number
  virtualMs: number
}

/** The weather lasts this long; afterwards all is calm and every job must come to its end. */
const stormMs = 60_000
const limitMs = 3_600_000

/** A job that has ended is purged after this time: by then its client has seen that it has. */
const keptMs = 20_000

/**
 * Runs one seed.
 * @throws BrokenPromise naming the first promise that did not hold
 */
export const simulate = async (seed: number, open: OpenStage = memoryStage): Promise<SimulationResult> => {
  const random = createRandom(seed)
  const stage = await open({ newToken: random.uuid })
  try {
    return await perform(seed, random, stage)
  } finally {
    await stage.close()
  }
}

const perform = async (seed: number, random: Random, { store, world, exact }: Stage): Promise<SimulationResult> => {
  const started = world.now()
  const stormy: Faults = {
    failBefore: random.pick([0, 0.01, 0.05]),
    failAfter: random.pick([0, 0.01, 0.05]),
    loseNews: random.pick([0, 0.1, 0.5]),
    doubleNews: random.pick([0, 0.2]),
    delayMs: random.pick([1, 10, 50]),
  }
  const calm = (): boolean => world.now() - started > stormMs
  const watched = audit(store, { exact })
  const hosts = createHosts({
    world,
    random,
    store: spiced(watched.store, calm),
    faults: () => (calm() ? noFaults : stormy),
    calm,
  })

  const created: string[] = []
  const answers = new Map<string, number>()
  let done = false
  const jobs = random.between(5, 25)
  const feed = followFeed(watched.store, world, () => done)
  void keepUp(watched.store, world, () => done)
  for (let at = random.between(1, 4); at > 0; at -= 1)
    void runWorker({
      // The first can do everything, so that nothing has to wait for ever.
      skills: at === 1 ? ['work', 'press'] : random.pick([['work'], ['press'], ['work', 'press']]),
      id: `worker-${at}`,
      world,
      random,
      engine: hosts.any,
      calm,
      stopped: () => done,
      onAnswer: ({ taskId, attempt }, status) => {
        if (status === 'accepted') answers.set(`${taskId}/${attempt}`, (answers.get(`${taskId}/${attempt}`) ?? 0) + 1)
      },
    })
  let ended = false
  void runClient({
    world,
    random,
    engine: hosts.any,
    jobs,
    onCreated: (id) => created.push(id),
    over: (id) => isTerminal(watched.jobs.get(id)?.status ?? 'running'),
  }).then(() => {
    ended = true
  })

  // Children may outlive a parent that was cancelled by a few deliveries: they must end as well.
  const over = (): boolean =>
    watched.broken() !== undefined || (ended && [...watched.jobs.values()].every((job) => isTerminal(job.status)))
  const inTime = await world.run(over, limitMs)
  done = true
  hosts.stop()
  const broken = watched.broken()
  if (broken) throw broken
  if (!inTime || !over()) throw new BrokenPromise(`after an hour these stand still: ${describeOpen(watched)}`)
  checkEnd(watched, created, answers)
  await checkStore(store, watched, feed)
  const all = [...watched.jobs.values()]
  return {
    seed,
    jobs: all.length,
    ends: Object.fromEntries(
      Map.groupBy(all, (job) => job.status)
        .entries()
        .map(([status, group]) => [status, group.length]),
    ),
    events: [...watched.logs.values()].reduce((sum, log) => sum + log.length, 0),
    crashes: hosts.crashes(),
    purged: watched.purged.size,
    notPickedUp: watched.notPickedUp(),
    mostOfKey: watched.mostOfKey(),
    virtualMs: world.now() - started,
  }
}

interface Hosts {
  any(): Engine | undefined
  crashes(): number
  stop(): void
}

/** Processes that run engines, die without notice, and come back after a while with nothing remembered. */
const createHosts = (deps: {
  world: World
  random: Random
  store: Store
  faults: () => Faults
  calm: () => boolean
}): Hosts => {
  const { world, random, store, faults, calm } = deps
  const slots: { engine: Engine; life: Life }[] = []
  let crashes = 0
  let stopped = false

  const boot = (slot: number): void => {
    const life: Life = { alive: true }
    const after = (ms: number, run: () => void): (() => void) =>
      world.after(ms, () => {
        if (life.alive) run()
      })
    const misbehave = (): 'throw' | 'dawdle' | 'none' =>
      calm() ? 'none' : random.pick(['none', 'none', 'throw', 'dawdle'])
    const engine = createEngine({
      store: overNetwork(store, { world, random, faults, life }),
      // Some instances do not have the code of every blueprint and must leave such jobs to the others.
      blueprints:
        slot === 1 ? simulatedBlueprints.slice(0, 1) : [...simulatedBlueprints, unruly(misbehave, world.sleep)],
      settings: { taskLeaseMs: 5_000, workerTtlMs: 5_000, handlerTimeoutMs: 5_000, safetyIntervalMs: 1_000 },
      newId: random.uuid,
      random: random.next,
      after,
    })
    engine.start()
    slots[slot] = { engine, life }
    const lives = random.between(2_000, 40_000)
    world.after(lives, () => {
      if (stopped || calm() || !random.chance(0.7)) return
      life.alive = false
      crashes += 1
      world.after(random.between(100, 5_000), () => {
        if (!stopped) boot(slot)
      })
    })
  }
  const count = random.between(1, 3)
  for (let slot = 0; slot < count; slot += 1) boot(slot)
  return {
    any: () => {
      const up = slots.filter(({ life }) => life.alive)
      return up.length === 0 ? undefined : random.pick(up).engine
    },
    crashes: () => crashes,
    stop: () => {
      stopped = true
      for (const { life } of slots) life.alive = false
    },
  }
}

/** What must hold when the dust has settled, beyond what the audit saw step by step. */
const checkEnd = (watched: Audit, created: string[], answers: Map<string, number>): void => {
  for (const id of created) if (!watched.jobs.has(id)) throw new BrokenPromise(`the acknowledged job ${id} is gone`)
  for (const [id, log] of watched.logs) {
    const job = watched.jobs.get(id) as Job
    const ends = log.filter((event) => /^job_(finished|failed|cancelled|quarantined|error)$/.test(event.type))
    if (ends.length !== 1 || ends[0] !== log.at(-1))
      throw new BrokenPromise(`job ${id} has ${ends.length} ends: ${types(log)}`)
    const settled = log.filter((event) => event.type === 'task_finished' || event.type === 'task_failed')
    const tries = settled.map((event) => `${event.data.task_id}/${event.data.attempt}`)
    if (new Set(tries).size !== tries.length) throw new BrokenPromise(`job ${id} recorded one try twice: ${types(log)}`)
    const finished = log.filter((event) => event.type === 'task_finished').map((event) => event.data.task_id)
    if (new Set(finished).size !== finished.length)
      throw new BrokenPromise(`job ${id} recorded one task twice: ${types(log)}`)
    const children = log.filter((event) => event.type === 'child_finished').map((event) => event.data.child_job_id)
    if (new Set(children).size !== children.length) throw new BrokenPromise(`job ${id} heard of a child twice`)
    checkOutcome(job, log)
  }
  for (const [attempt, times] of answers) {
    const [taskId] = attempt.split('/')
    const recorded = [...watched.logs.values()]
      .flat()
      .filter((event) => event.data.task_id === taskId && /^task_(finished|failed)$/.test(event.type))
    if (times > 1) throw new BrokenPromise(`the try ${attempt} was accepted ${times} times`)
    if (recorded.length === 0) throw new BrokenPromise(`the try ${attempt} was accepted and is nowhere recorded`)
  }
}

interface Follower {
  got: FeedEvent[]
  /** Reads to the end. */
  readOn(): Promise<void>
}

/** Reads the feed while it grows, always behind the line it read last. */
const followFeed = (store: Store, world: World, done: () => boolean): Follower => {
  const got: FeedEvent[] = []
  let cursor: string | null = null
  let reading: Promise<void> = Promise.resolve()
  const readOn = async (): Promise<void> => {
    for (;;) {
      const page: { events: FeedEvent[]; cursor: string | null } = await store.feed({ after: cursor, limit: 50 })
      if (page.events.length === 0) return
      got.push(...page.events)
      cursor = page.cursor
    }
  }
  const loop = (): void => {
    world.after(400, () => {
      if (done()) return
      reading = readOn()
      void reading.then(loop)
    })
  }
  loop()
  return {
    got,
    readOn: async () => {
      await reading
      await readOn()
    },
  }
}

const keepUp = async (store: Store, world: World, done: () => boolean): Promise<void> => {
  while (!done()) {
    await store.purge({ finishedBefore: store.now() - keptMs, feedBefore: store.now() - 3 * keptMs, limit: 5 })
    await world.sleep(5_000)
  }
}

/** What the Store itself holds at the end is what was accepted: no less, and no more. */
const checkStore = async (store: Store, watched: Audit, feed: Follower): Promise<void> => {
  const stats = await store.stats(null)
  const left = stats.queues.filter(({ waiting, leased }) => waiting + leased > 0)
  if (left.length > 0) throw new BrokenPromise(`tasks are left over: ${JSON.stringify(left)}`)
  await feed.readOn()
  const told = Map.groupBy(feed.got, ({ jobId }) => jobId)
  for (const [id, log] of watched.logs) {
    const seqs = log.map(({ seq }) => seq)
    if (seqs.some((seq, at) => seq !== at + 1)) throw new BrokenPromise(`the log of ${id} has the lines ${seqs}`)
    const inFeed = (told.get(id) ?? []).map(({ seq }) => seq)
    if (String(inFeed) !== String(seqs))
      throw new BrokenPromise(`the feed told ${inFeed} of ${id}, its log has ${seqs}`)
    if (watched.purged.has(id)) continue
    const stored = await store.events(id, 0, 10_000)
    if (JSON.stringify(stored) !== JSON.stringify(log)) throw new BrokenPromise(`the Store has another log of ${id}`)
    const [job] = await store.job([id])
    if (job?.status !== watched.jobs.get(id)?.status) throw new BrokenPromise(`the Store says ${job?.status} of ${id}`)
  }
  const receipts = await store.listRecords({ kind: receipt, limit: 100_000 })
  const missing = watched.accepted.difference(new Set(receipts.map(({ id }) => id)))
  if (missing.size > 0 || receipts.length !== watched.accepted.size)
    throw new BrokenPromise(
      `${watched.accepted.size} changes brought ${receipts.length} records; without: ${[...missing]}`,
    )
}

/** A finished job has been through all of its blueprint, in order, each step once. */
const checkOutcome = (job: Job, log: JobEvent[]): void => {
  if (job.status !== 'finished') return
  const entered = log.filter((event) => event.type === 'state_entered').map((event) => event.state)
  const expected: Record<string, string[]> = {
    sequence: ['second', 'done'],
    fan_out: ['joined', 'done'],
    approved: ['work', 'done'],
    parent: ['after', 'done'],
    unruly: ['middle', 'done'],
  }
  if (JSON.stringify(entered) !== JSON.stringify(expected[job.blueprint]))
    throw new BrokenPromise(`the finished job ${job.id} of ${job.blueprint} went through ${entered.join(' → ')}`)
  if (job.blueprint === 'fan_out' && (job.output as unknown[]).length !== Number(job.input.width))
    throw new BrokenPromise(`the finished job ${job.id} lost results of its branches`)
}

const types = (log: JobEvent[]): string => log.map((event) => event.type).join(' ')

const describeOpen = (watched: Audit): string =>
  [...watched.jobs.values()]
    .filter((job) => !isTerminal(job.status))
    .map((job) => `${job.blueprint} ${job.id} ${job.status} in ${job.state}`)
    .join('; ') || 'none, but the client still waits'
