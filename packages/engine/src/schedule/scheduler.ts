/**
 * Jobs by the clock. A schedule is a record that is due at its next instant: one instance at a time has it, and a crash gives it
 * back. Each job's id follows from the schedule and its nominal instant, so that firing again after a crash finds the job made
 * and no instant is ever fired twice, nor lost between making the job and noting that it was made.
 */
import { isDeepStrictEqual } from 'node:util'
import { isTerminal, jobStatus, type ScheduleSpec, TuttiError } from '@tutti/contracts'
import type { Engine, JobSpec } from '../engine.ts'
import { derivedId } from '../job/derived-id.ts'
import type { Job } from '../job/job.ts'
import type { Store, StoredRecord } from '../store/port.ts'
import { jitterOf, type Lateness, owedAt } from './due.ts'
import {
  bodyOf,
  type LastFiring,
  type Schedule,
  type ScheduleSource,
  scheduleId,
  scheduleKind,
  scheduleOf,
  scheduleTiming,
  upcoming,
} from './schedule.ts'
import { nextAfter } from './timing.ts'

export interface SchedulerDeps {
  engine: Pick<Engine, 'create' | 'cancel' | 'jobs' | 'onDue'>
  store: Pick<Store, 'now' | 'putRecords' | 'getRecords' | 'listRecords' | 'dropRecords'>
  /**
   * Left out: the schedules of schedules.toml and the API. Another kind is a family of its own: only instances that watch it fire it, and
   * so those that have no blueprint for its jobs never do.
   */
  kind?: string
  /** TZ: of schedules that name no zone. */
  timeZone: string
  /** What jobs of this owner get beside what the schedule says: plan and params, quota. */
  jobDefaults: (owner: string, name: string) => Partial<JobSpec>
  onError: (error: unknown) => void
}

/** A schedule with its id, as it is answered. */
export interface KeptSchedule {
  id: string
  owner: string
  schedule: Schedule
}

export interface Scheduler {
  /** Begins to watch. Schedules are kept whether anybody watches or not. */
  start(): void
  /** Makes the file's schedules those of the store: new ones come, changed ones begin anew, those no longer named go. */
  syncFile(entries: readonly { name: string; owner: string; spec: ScheduleSpec }[]): Promise<void>
  /** @throws TuttiError SCHEDULE_EXISTS, when another one of that name is there and `replace` was not asked for */
  put(owner: string, name: string, spec: ScheduleSpec, options: { replace: boolean }): Promise<KeptSchedule>
  /** owner null: of everybody. */
  list(owner: string | null): Promise<KeptSchedule[]>
  /** @throws TuttiError SCHEDULE_NOT_FOUND */
  get(id: string, owner: string | null): Promise<KeptSchedule>
  remove(id: string, owner: string | null): Promise<void>
  /** Skips nothing for good: what falls due meanwhile is dealt with by the catch-up policy when it goes on. */
  pause(id: string, owner: string | null): Promise<KeptSchedule>
  resume(id: string, owner: string | null): Promise<KeptSchedule>
  /** Makes a job now, beside the plan, whatever the overlap policy says. */
  trigger(id: string, owner: string | null): Promise<Job>
  /** The next nominal instants. */
  next(kept: KeptSchedule, count: number): number[]
}

/** What is late by less is on time: instances look at the clock every few seconds at worst. */
const graceMs = 60_000
/** How often a queued firing looks whether the job before it has ended. */
const queueLookMs = 1_000
/** Firings that wait behind a job that does not end; more are passed over. */
const mostQueued = 100

const active = jobStatus.options.filter((status) => !isTerminal(status))

export const createScheduler = (deps: SchedulerDeps): Scheduler => {
  const { engine, store, kind = scheduleKind } = deps
  const timing = (schedule: Schedule) => scheduleTiming(schedule, deps.timeZone)

  const fire = async (id: string, owner: string, schedule: Schedule, dueAt: number): Promise<LastFiring> => {
    const base = { dueAt, firedAt: store.now() }
    try {
      const [job] = await engine.create([
        specOf(deps, id, owner, schedule, derivedId('schedule', id, String(dueAt)), dueAt),
      ])
      return { ...base, jobId: job?.id ?? null, outcome: 'fired', reason: null }
    } catch (error) {
      // The store out of reach: the record comes again. Whatever is wrong with the job itself would be wrong again.
      if (!(error instanceof TuttiError) || error.code === 'STORE_UNAVAILABLE') throw error
      deps.onError(error)
      return { ...base, jobId: null, outcome: 'refused', reason: error.message }
    }
  }

  const running = async (id: string): Promise<Job[]> =>
    (await engine.jobs({ client: null, labels: [`schedule:${id}`], statuses: active, limit: 100 })).jobs

  const fireByPolicy = async (id: string, owner: string, schedule: Schedule, dueAt: number): Promise<Schedule> => {
    const { overlap } = schedule.spec
    const before = overlap === 'allow' ? [] : await running(id)
    // The job of this very instant is what a crashed instance has begun, and nothing that stands in the way.
    const own = derivedId('schedule', id, String(dueAt))
    const others = before.filter((job) => job.id !== own)
    if (others.length > 0 && overlap !== 'cancel_old') {
      const queue = overlap === 'queue' && schedule.queued.length < mostQueued
      const last: LastFiring = {
        dueAt,
        firedAt: store.now(),
        jobId: null,
        outcome: queue ? 'queued' : 'skipped',
        reason: `job ${others[0]?.id} is still at work`,
      }
      return { ...schedule, last, queued: queue ? [...schedule.queued, dueAt] : schedule.queued }
    }
    for (const job of others) await cancelQuietly(engine, job.id)
    const last = await fire(id, owner, schedule, dueAt)
    return { ...schedule, last, fired: schedule.fired + (last.outcome === 'fired' ? 1 : 0) }
  }

  const handle = async (record: StoredRecord): Promise<StoredRecord> => {
    const owner = record.owner ?? ''
    const now = store.now()
    let schedule = scheduleOf(record)
    const [first, ...rest] = schedule.queued
    if (first !== undefined && (await running(record.id)).length === 0) {
      const last = await fire(record.id, owner, schedule, first)
      schedule = { ...schedule, queued: rest, last, fired: schedule.fired + (last.outcome === 'fired' ? 1 : 0) }
    }
    if (schedule.nextAt !== null && isOn(schedule) && dueInstant(record.id, schedule, schedule.nextAt) <= now) {
      const owed = owedAt(timing(schedule), schedule.nextAt, now, latenessOf(schedule.spec))
      for (const at of owed.fire) schedule = await fireByPolicy(record.id, owner, schedule, at)
      schedule = { ...schedule, nextAt: owed.nextAt }
    }
    return { ...record, rev: record.rev + 1, dueAt: dueAt(record.id, schedule, store.now()), body: bodyOf(schedule) }
  }

  const read = async (id: string, owner: string | null): Promise<StoredRecord> => {
    const [record] = await store.getRecords(kind, [id])
    if (!record || (owner !== null && record.owner !== owner))
      throw new TuttiError('SCHEDULE_NOT_FOUND', `Schedule "${id}" not found`)
    return record
  }
  /** Reads, changes and writes until nobody came between. */
  const change = async (
    id: string,
    owner: string | null,
    make: (schedule: Schedule) => Schedule,
  ): Promise<KeptSchedule> => {
    for (;;) {
      const record = await read(id, owner)
      const schedule = make(scheduleOf(record))
      const next = { ...record, rev: record.rev + 1, dueAt: dueAt(id, schedule, store.now()), body: bodyOf(schedule) }
      const [taken] = await store.putRecords([next])
      if (taken) return kept(next)
    }
  }
  const begin = (name: string, source: ScheduleSource, spec: ScheduleSpec): Schedule => {
    const anchor = store.now()
    const fresh: Schedule = {
      name,
      source,
      spec,
      paused: false,
      nextAt: null,
      queued: [],
      last: null,
      fired: 0,
      anchor,
    }
    return { ...fresh, nextAt: nextAfter(timing(fresh), anchor - 1) }
  }
  const put = async (
    owner: string,
    name: string,
    source: ScheduleSource,
    spec: ScheduleSpec,
    mayReplace: (known: Schedule) => boolean,
  ): Promise<KeptSchedule> => {
    const id = scheduleId(owner, name)
    for (;;) {
      const [known] = await store.getRecords(kind, [id])
      if (known && source === 'api') ownedByApi(scheduleOf(known))
      if (known && !mayReplace(scheduleOf(known)))
        throw new TuttiError('SCHEDULE_EXISTS', `There is a schedule "${name}" already`)
      const former = known && scheduleOf(known)
      if (known && former && former.source === source && isDeepStrictEqual(former.spec, spec)) return kept(known)
      const schedule: Schedule = {
        ...begin(name, source, spec),
        paused: former?.paused ?? false,
        last: former?.last ?? null,
      }
      const record: StoredRecord = {
        kind,
        id,
        owner,
        ref: spec.blueprint,
        rev: (known?.rev ?? 0) + 1,
        dueAt: dueAt(id, schedule, store.now()),
        expiresAt: null,
        body: bodyOf(schedule),
      }
      const [taken] = await store.putRecords([record])
      if (taken) return kept(record)
    }
  }
  const list = async (owner: string | null): Promise<StoredRecord[]> => {
    const found: StoredRecord[] = []
    for (;;) {
      const last = found.at(-1)
      const page = await store.listRecords({
        kind,
        owner,
        limit: 500,
        ...(last ? { after: last.id } : {}),
      })
      found.push(...page)
      if (page.length < 500) return found
    }
  }

  return {
    start: () => engine.onDue(kind, handle),
    syncFile: async (entries) => {
      for (const { name, owner, spec } of entries) await put(owner, name, 'file', spec, () => true)
      const wanted = new Set(entries.map(({ name, owner }) => scheduleId(owner, name)))
      const gone = (await list(null)).filter((record) => scheduleOf(record).source === 'file' && !wanted.has(record.id))
      if (gone.length > 0)
        await store.dropRecords(
          kind,
          gone.map((record) => record.id),
        )
    },
    put: (owner, name, spec, { replace }) => put(owner, name, 'api', spec, () => replace),
    list: async (owner) => (await list(owner)).map(kept),
    get: async (id, owner) => kept(await read(id, owner)),
    remove: async (id, owner) => {
      const record = await read(id, owner)
      ownedByApi(scheduleOf(record))
      await store.dropRecords(kind, [id])
    },
    pause: (id, owner) => change(id, owner, (schedule) => ({ ...schedule, paused: true })),
    resume: (id, owner) => change(id, owner, (schedule) => ({ ...schedule, paused: false })),
    trigger: async (id, owner) => {
      const record = await read(id, owner)
      const now = store.now()
      const [job] = await engine.create([specOf(deps, id, record.owner ?? '', scheduleOf(record), undefined, now)])
      if (!job) throw new TuttiError('INTERNAL', 'the engine made no job')
      await change(id, owner, (schedule) => ({
        ...schedule,
        fired: schedule.fired + 1,
        last: { dueAt: now, firedAt: now, jobId: job.id, outcome: 'fired', reason: null },
      }))
      return job
    },
    next: ({ schedule }, count) =>
      schedule.nextAt === null ? [] : [schedule.nextAt, ...upcoming(timing(schedule), schedule.nextAt, count - 1)],
  }
}

const isOn = ({ paused, spec }: Schedule): boolean => !paused && spec.enabled

const dueInstant = (id: string, { spec }: Schedule, at: number): number =>
  at + jitterOf(id, at, spec.jitter_seconds * 1000)

const dueAt = (id: string, schedule: Schedule, now: number): number | null => {
  const instants = [
    ...(schedule.queued.length > 0 ? [now + queueLookMs] : []),
    ...(schedule.nextAt !== null && isOn(schedule) ? [dueInstant(id, schedule, schedule.nextAt)] : []),
  ]
  return instants.length === 0 ? null : Math.min(...instants)
}

const latenessOf = (spec: ScheduleSpec): Lateness => ({
  catchUp: spec.catch_up,
  windowMs: spec.catch_up_window_seconds * 1000,
  // Jitter is no lateness.
  graceMs: graceMs + spec.jitter_seconds * 1000,
})

const specOf = (
  deps: SchedulerDeps,
  id: string,
  owner: string,
  { name, spec }: Schedule,
  jobId: string | undefined,
  dueAt: number,
): JobSpec => ({
  ...deps.jobDefaults(owner, name),
  ...(jobId === undefined ? {} : { id: jobId }),
  blueprint: spec.blueprint,
  input: spec.input_data,
  client: owner,
  origin: { kind: 'schedule', scheduleId: id, dueAt },
  priority: spec.priority,
  tags: spec.tags,
  metadata: spec.metadata,
  ...(spec.dispatch_timeout === undefined ? {} : { dispatchTimeoutMs: spec.dispatch_timeout * 1000 }),
  ...(spec.result_timeout === undefined ? {} : { resultTimeoutMs: spec.result_timeout * 1000 }),
})

const cancelQuietly = async (engine: Pick<Engine, 'cancel'>, jobId: string): Promise<void> => {
  try {
    await engine.cancel(jobId, null, 'scheduler', 'the next one of its schedule begins')
  } catch (error) {
    // It has ended by itself meanwhile.
    if (!(error instanceof TuttiError) || error.code !== 'JOB_TERMINAL') throw error
  }
}

const ownedByApi = ({ source, name }: Schedule): void => {
  if (source === 'file')
    throw new TuttiError('SCHEDULE_FROM_FILE', `The schedule "${name}" comes from schedules.toml and is changed there`)
}

const kept = (record: StoredRecord): KeptSchedule => ({
  id: record.id,
  owner: record.owner ?? '',
  schedule: scheduleOf(record),
})
