import { type ScheduleSpecInput, scheduleSpec } from '@tutti/contracts'
import { describe, expect, test } from 'vitest'
import { blueprint, type Job, type Store } from '../../src/index.ts'
import { createScheduler, type KeptSchedule, type Scheduler } from '../../src/schedule/scheduler.ts'
import { nextAfter, timingOf } from '../../src/schedule/timing.ts'
import { createFleet, type Fleet } from '../fleet.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const quick = blueprint({ name: 'quick' })
  .state('start', { start: true, to: ['done'] }, ({ goTo }) => goTo('done'))
  .end('done')
/** Ends only when a worker says so. */
const slow = blueprint({ name: 'slow' })
  .state('start', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('work', {}, { on: { success: 'done' }, timeout: '10d' }),
  )
  .end('done')

const instance = (fleet: Fleet, options: { store?: Store } = {}) => {
  const store = options.store ?? fleet.store
  const engine = fleet.engine({ ...options, settings: { safetyIntervalMs: day } })
  const scheduler = createScheduler({
    engine,
    store,
    timeZone: 'Europe/Berlin',
    jobDefaults: (owner, name) => ({ clientFacts: { plan: 'system', params: { source: `${owner} ${name}` } } }),
    onError: (error) => fleet.errors.push(error),
  })
  scheduler.start()
  return { engine, scheduler }
}
const setUp = () => {
  const fleet = createFleet([quick, slow])
  return { fleet, time: fleet.time, ...instance(fleet) }
}
const put = (scheduler: Scheduler, spec: ScheduleSpecInput, name = 's'): Promise<KeptSchedule> =>
  scheduler.put('a', name, scheduleSpec.parse(spec), { replace: true })
const jobsOf = async (fleet: Fleet, { id }: { id: string }): Promise<Job[]> => {
  const found: Job[] = []
  let cursor: string | null = null
  do {
    const page: { jobs: Job[]; cursor: string | null } = await fleet.store.jobs({
      client: null,
      labels: [`schedule:${id}`],
      limit: 500,
      ...(cursor === null ? {} : { cursor }),
    })
    found.push(...page.jobs)
    cursor = page.cursor
  } while (cursor !== null)
  return found.reverse()
}
const dueOf = (jobs: Job[]): number[] =>
  jobs.map(({ origin }) => (origin.kind === 'schedule' ? origin.dueAt : Number.NaN))

test('a job of a schedule is given what the schedule and its owner say', async () => {
  const { fleet, time, scheduler } = setUp()
  const kept = await put(scheduler, {
    blueprint: 'quick',
    interval_seconds: 3600,
    input_data: { target: 'temp' },
    priority: 3,
    tags: ['nightly'],
    metadata: { team: 'x' },
  })
  await time.pass(minute)
  const [job] = await jobsOf(fleet, kept)
  expect(job).toMatchObject({
    status: 'finished',
    client: 'a',
    input: { target: 'temp' },
    priority: 3,
    tags: ['nightly'],
    metadata: { team: 'x' },
    clientFacts: { plan: 'system' },
    origin: { kind: 'schedule', scheduleId: 'a/s' },
  })
})

test('an interval begins at once and then keeps its beat', async () => {
  const { fleet, time, scheduler } = setUp()
  const begun = time.now()
  const kept = await put(scheduler, { blueprint: 'quick', interval_seconds: 3600 })
  await time.pass(3 * hour + minute)
  expect(dueOf(await jobsOf(fleet, kept))).toEqual([0, 1, 2, 3].map((at) => begun + at * hour))
})

test('a year in five zones with outages and crashes of two instances: none missed, none twice', async () => {
  const fleet = createFleet([quick])
  const { time } = fleet
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/Santiago']
  const begun = time.now()
  let seed = 7
  const chance = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return seed / 2 ** 32
  }
  /** A Store that dies for its instance at some call: before the call took effect, or after. */
  const mortal = () => {
    let left = Number.POSITIVE_INFINITY
    const store = new Proxy(fleet.store, {
      get: (target, name) => {
        const member = target[name as keyof Store]
        if (typeof member !== 'function' || name === 'now' || name === 'subscribe') return member
        return async (...given: unknown[]) => {
          left -= 1
          if (left < 0) throw new Error('this instance is dead')
          const answer = await (member as (...all: unknown[]) => Promise<unknown>)(...given)
          if (left === 0) throw new Error('this instance died before it heard the answer')
          return answer
        }
      },
    })
    return {
      store,
      dieSoon: () => {
        left = Math.floor(chance() * 12)
      },
      dead: () => left <= 0,
    }
  }
  const start = () => {
    const { store, ...fate } = mortal()
    return { ...fate, ...instance(fleet, { store }) }
  }
  let running = [start(), start()]
  const schedules = await Promise.all(
    zones.flatMap((timezone, at) => [
      put(
        running[0]?.scheduler as Scheduler,
        { blueprint: 'quick', daily_at: '02:30', timezone, catch_up: 'all', catch_up_window_seconds: 365 * 86_400 },
        `daily-${at}`,
      ),
      put(
        running[0]?.scheduler as Scheduler,
        {
          blueprint: 'quick',
          cron: '5 */6 * * *',
          timezone,
          catch_up: 'all',
          catch_up_window_seconds: 365 * 86_400,
          jitter_seconds: 600,
        },
        `six-hourly-${at}`,
      ),
    ]),
  )
  const stop = async (engines: typeof running): Promise<void> => {
    let stopped = false
    const all = Promise.all(engines.map(({ engine }) => engine.stop())).then(() => {
      stopped = true
    })
    await time.until(() => stopped)
    await all
  }
  while (time.now() < begun + 365 * day) {
    await time.pass(Math.floor(chance() * 5 * day))
    // One dies in the middle of what it does; now and then nobody is there for a while.
    running[0]?.dieSoon()
    await time.until(() => running[0]?.dead() === true)
    await time.pass(Math.floor(chance() * 5_000))
    if (chance() < 0.4) {
      await stop(running)
      await time.pass(Math.floor(chance() * 6 * day))
      running = [start(), start()]
    } else {
      await stop(running.slice(0, 1))
      running = [...running.slice(1), start()]
    }
  }
  // All that was due long enough ago has been fired by now.
  await time.pass(hour)
  const until = time.now() - 15 * minute
  for (const kept of schedules) {
    const { spec } = kept.schedule
    const timing =
      spec.cron === undefined
        ? timingOf({ kind: 'calendar', time: '02:30', days: null, dates: null }, 0, spec.timezone ?? '')
        : timingOf({ kind: 'cron', expression: spec.cron }, 0, spec.timezone ?? '')
    const expected: number[] = []
    for (let at = nextAfter(timing, begun - 1); at !== null && at <= until; at = nextAfter(timing, at))
      expected.push(at)
    const fired = dueOf(await jobsOf(fleet, kept)).sort((a, b) => a - b)
    expect(fired.filter((at) => at <= until)).toEqual(expected)
  }
  // A year takes twenty seconds on a machine with nothing else to do.
}, 240_000)

describe('when the job before has not ended', () => {
  const spec = { blueprint: 'slow', interval_seconds: 3600 } as const
  const finishOne = async ({ engine, time }: ReturnType<typeof setUp>): Promise<void> => {
    await time.during(engine.register({ id: 'w', bootId: null, skills: ['work'], info: {} }))
    const [lease] = await time.during(engine.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 0 }))
    if (!lease) throw new Error('there was no task')
    await time.during(
      engine.results([
        {
          jobId: lease.task.jobId,
          taskId: lease.task.id,
          worker: 'w',
          token: lease.token,
          status: 'success',
          data: null,
          error: null,
        },
      ]),
    )
  }
  const active = (jobs: Job[]): number => jobs.filter((job) => job.finishedAt === null).length

  test('allow starts beside it', async () => {
    const { fleet, time, scheduler } = setUp()
    const kept = await put(scheduler, { ...spec, overlap: 'allow' })
    await time.pass(2 * hour + minute)
    expect(active(await jobsOf(fleet, kept))).toBe(3)
  })

  test('skip leaves out, and says so', async () => {
    const { fleet, time, scheduler } = setUp()
    const kept = await put(scheduler, { ...spec, overlap: 'skip' })
    await time.pass(2 * hour + minute)
    expect(await jobsOf(fleet, kept)).toHaveLength(1)
    expect((await scheduler.get(kept.id, 'a')).schedule.last).toMatchObject({ outcome: 'skipped', jobId: null })
  })

  test('queue starts one after the other, and none is lost', async () => {
    const all = setUp()
    const kept = await put(all.scheduler, { ...spec, overlap: 'queue' })
    const begun = all.time.now()
    await all.time.pass(2 * hour + minute)
    expect(await jobsOf(all.fleet, kept)).toHaveLength(1)
    for (const count of [2, 3]) {
      await finishOne(all)
      await all.time.until(async () => (await jobsOf(all.fleet, kept)).length === count)
      expect(active(await jobsOf(all.fleet, kept))).toBe(1)
    }
    expect(dueOf(await jobsOf(all.fleet, kept))).toEqual([0, 1, 2].map((at) => begun + at * hour))
  })

  test('cancel_old ends it first', async () => {
    const { fleet, time, scheduler } = setUp()
    const kept = await put(scheduler, { ...spec, overlap: 'cancel_old' })
    await time.pass(2 * hour + minute)
    expect((await jobsOf(fleet, kept)).map((job) => job.status)).toEqual([
      'cancelled',
      'cancelled',
      'waiting_for_worker',
    ])
  })
})

test('a schedule whose job is refused says why, and goes on', async () => {
  const { fleet, time, scheduler } = setUp()
  const kept = await put(scheduler, { blueprint: 'gone', interval_seconds: 3600 })
  await time.pass(hour + minute)
  expect((await scheduler.get(kept.id, 'a')).schedule).toMatchObject({
    fired: 0,
    last: { outcome: 'refused', reason: 'Blueprint "gone" not found' },
  })
  expect(fleet.errors).toHaveLength(2)
})

describe('by hand', () => {
  test('a paused schedule fires nothing, and then what its catch-up policy says', async () => {
    const { fleet, time, scheduler } = setUp()
    const kept = await put(scheduler, { blueprint: 'quick', interval_seconds: 3600, catch_up: 'all' })
    await time.pass(minute)
    await scheduler.pause(kept.id, 'a')
    await time.pass(3 * hour)
    expect(await jobsOf(fleet, kept)).toHaveLength(1)
    await scheduler.resume(kept.id, 'a')
    await time.pass(minute)
    expect(await jobsOf(fleet, kept)).toHaveLength(4)
  })

  test('triggering makes a job beside the plan', async () => {
    const { fleet, time, scheduler } = setUp()
    const kept = await put(scheduler, { blueprint: 'quick', daily_at: '09:00' })
    await time.during(scheduler.trigger(kept.id, 'a'))
    await time.during(scheduler.trigger(kept.id, 'a'))
    expect(await jobsOf(fleet, kept)).toHaveLength(2)
    expect((await scheduler.get(kept.id, 'a')).schedule).toMatchObject({ fired: 2, nextAt: kept.schedule.nextAt })
  })

  test('the next instants are told in the schedule’s zone', async () => {
    const { scheduler } = setUp()
    const kept = await put(scheduler, { blueprint: 'quick', daily_at: '09:00', timezone: 'America/New_York' })
    expect(scheduler.next(kept, 3).map((at) => new Date(at).toISOString())).toEqual([
      '2030-01-01T14:00:00.000Z',
      '2030-01-02T14:00:00.000Z',
      '2030-01-03T14:00:00.000Z',
    ])
  })

  test('a stranger’s schedule is not there', async () => {
    const { scheduler } = setUp()
    const { id } = await put(scheduler, { blueprint: 'quick', daily_at: '09:00' })
    for (const act of [scheduler.get, scheduler.remove, scheduler.pause, scheduler.resume, scheduler.trigger])
      await expect(act(id, 'b')).rejects.toMatchObject({ code: 'SCHEDULE_NOT_FOUND' })
    expect(await scheduler.list('b')).toEqual([])
    expect(await scheduler.list(null)).toHaveLength(1)
  })

  test('a name that is taken is refused unless it is to be replaced', async () => {
    const { scheduler } = setUp()
    const spec = scheduleSpec.parse({ blueprint: 'quick', daily_at: '09:00' })
    await scheduler.put('a', 's', spec, { replace: false })
    await expect(scheduler.put('a', 's', spec, { replace: false })).rejects.toMatchObject({ code: 'SCHEDULE_EXISTS' })
    await scheduler.put('b', 's', spec, { replace: false })
  })
})

describe('the file', () => {
  const entry = (name: string, spec: ScheduleSpecInput) => ({
    name,
    owner: 'scheduler',
    spec: scheduleSpec.parse(spec),
  })
  const names = async (scheduler: Scheduler): Promise<string[]> =>
    (await scheduler.list(null)).map(({ schedule }) => schedule.name)

  test('what it no longer names goes, what was made over the API stays', async () => {
    const { scheduler } = setUp()
    await put(scheduler, { blueprint: 'quick', daily_at: '09:00' }, 'by-api')
    await scheduler.syncFile([
      entry('one', { blueprint: 'quick', daily_at: '09:00' }),
      entry('two', { blueprint: 'quick', daily_at: '10:00' }),
    ])
    expect(await names(scheduler)).toEqual(['by-api', 'one', 'two'])
    await scheduler.syncFile([entry('two', { blueprint: 'quick', daily_at: '10:00' })])
    expect(await names(scheduler)).toEqual(['by-api', 'two'])
  })

  test('read again unchanged, nothing begins anew: a restart fires no interval twice', async () => {
    const { fleet, time, scheduler } = setUp()
    const file = [entry('i', { blueprint: 'quick', interval_seconds: 3600 })]
    await scheduler.syncFile(file)
    await time.pass(minute)
    await scheduler.syncFile(file)
    await time.pass(minute)
    expect(await jobsOf(fleet, { id: 'scheduler/i' })).toHaveLength(1)
    await scheduler.syncFile([entry('i', { blueprint: 'quick', interval_seconds: 1800 })])
    await time.pass(minute)
    expect(await jobsOf(fleet, { id: 'scheduler/i' })).toHaveLength(2)
  })

  test('it is changed in the file alone, and can be paused', async () => {
    const { scheduler } = setUp()
    await scheduler.syncFile([entry('one', { blueprint: 'quick', daily_at: '09:00' })])
    await expect(scheduler.remove('scheduler/one', null)).rejects.toMatchObject({ code: 'SCHEDULE_FROM_FILE' })
    await scheduler.pause('scheduler/one', null)
    await scheduler.syncFile([entry('one', { blueprint: 'quick', daily_at: '09:30' })])
    expect((await scheduler.get('scheduler/one', null)).schedule.paused).toBe(true)
  })
})
