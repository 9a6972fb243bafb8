import type { JsonObject } from '@tutti/contracts'
import type { Job, Store } from '@tutti/engine'
import { beforeEach, describe, expect, it } from 'vitest'
import { storeConformance } from '../src/conformance/index.ts'
import { aChange, accept, aJob, anEvent, aTask, aTimer, ended, here, lease, next } from '../src/conformance/subject.ts'
import { createMemoryStore, type OffloadingStore, offloading } from '../src/index.ts'
import { createMapPayloads, type MapPayloads } from './map-payloads.ts'

storeConformance('memory, with large values elsewhere', async () => {
  const onError = (error: unknown) => {
    throw error
  }
  const store = offloading(createMemoryStore(), { payloads: createMapPayloads(), thresholdBytes: 64, onError })
  return { store, second: async () => store, close: () => store.close() }
})

const big = (letter: string) => letter.repeat(2000)
const film = (): JsonObject => ({ film: { title: 'a', frames: [big('f')] } })

let payloads: MapPayloads
let inner: Store
let store: OffloadingStore
let errors: unknown[]
const another = (cacheBytes = 1_000_000): OffloadingStore =>
  offloading(inner, { payloads, thresholdBytes: 1000, cacheBytes, onError: (error) => errors.push(error) })

beforeEach(() => {
  payloads = createMapPayloads()
  inner = createMemoryStore()
  errors = []
  store = another()
})

const puts = (): string[] => payloads.asked.filter((each) => each.startsWith('put'))
const gets = (): string[] => payloads.asked.filter((each) => each.startsWith('get'))
const readJob = async (from: Store, id: string): Promise<Job> => {
  const [job] = await from.job([id])
  if (!job) throw new Error('the job is gone')
  return job
}

describe('a large value', () => {
  it('leaves the store, wherever in a change it stands, and comes back by every way out', async () => {
    const branch = {
      status: 'done' as const,
      task: { id: 't', skill: 's', attempt: 1, retry: aRetry, queue: 's', pickupMs: null, resultBy: null },
      spec: null,
      data: big('b'),
      error: null,
    }
    const job = aJob({
      input: { text: big('i') },
      data: { text: big('d') },
      results: [big('r')],
      last: { status: 'success', data: big('l'), error: null },
      output: big('o'),
      signals: [{ id: 's', name: 'n', data: big('s'), at: 1 }],
      waiting: { kind: 'parallel', into: 'x', failFast: false, concurrency: null, quorum: null, branches: [branch] },
      wakeAt: 1,
    })
    const task = aTask(job, { params: { text: big('p') } })
    const child = aJob({ parentId: job.id, input: { text: big('c') } })
    const cause = { type: 'child_ended' as const, childId: 'c', status: 'finished', output: big('t'), error: null }
    const timer = aTimer(job, { cause })
    const mail = aTimer(child, { cause })
    const event = anEvent(job, 1, { data: { text: big('e') } })
    const record = { ...aRecord, body: { text: big('z') } }
    const change = aChange(
      { ...job, seq: 1 },
      {
        enqueue: [task],
        setTimers: [timer, mail],
        events: [event],
        spawn: [{ job: child, events: [], timers: [] }],
        records: [record],
      },
    )
    await accept(store, change)

    const kept = JSON.stringify([
      await inner.job([job.id, child.id]),
      await inner.events(job.id, 0, 10),
      await inner.getRecords('delivery', [record.id]),
    ])
    for (const letter of 'idrlosbcez') expect(kept).not.toContain(big(letter))

    const elsewhere = another()
    expect(await elsewhere.job([job.id, child.id])).toEqual([change.job, child])
    expect(await elsewhere.events(job.id, 0, 10)).toEqual([event])
    expect((await elsewhere.feed({ after: null, limit: 10 })).events).toMatchObject([event])
    expect((await lease(elsewhere)).map((leased) => leased.task)).toEqual([task])
    const { timers } = await elsewhere.leaseTimers({ limit: 5, leaseMs: 0 })
    expect(new Set(timers)).toEqual(new Set([timer, mail]))
    expect(await elsewhere.getRecords('delivery', [record.id])).toEqual([record])
    expect(await elsewhere.listRecords({ kind: 'delivery', limit: 5 })).toEqual([record])
    expect(await elsewhere.leaseRecords({ kind: 'delivery', limit: 5, leaseMs: 1 })).toMatchObject([
      { body: record.body },
    ])
    expect(await elsewhere.leaseJobs({ blueprints: here, limit: 5, leaseMs: 1 })).toMatchObject([{ input: job.input }])
  })

  it('goes up once and comes down once, however many steps carry it and add to what is beside it', async () => {
    let job = aJob({ input: film(), data: film() })
    await accept(store, aChange(job))
    expect(puts()).toHaveLength(1)
    for (let step = 0; step < 5; step += 1) {
      job = next(await readJob(store, job.id), { data: { ...job.data, step } })
      await accept(store, aChange(job))
    }
    expect(puts()).toHaveLength(1)
    expect(gets()).toHaveLength(0)
    const elsewhere = another()
    for (let step = 0; step < 5; step += 1) {
      const read = await readJob(elsewhere, job.id)
      job = next(read, { data: { ...read.data, step } })
      await accept(elsewhere, aChange(job))
    }
    expect([puts().length, gets().length]).toEqual([1, 1])
  })

  it('made of many small ones goes as a whole', async () => {
    const rows = Array.from({ length: 500 }, (_, row) => ({ row }))
    const job = aJob({ results: rows })
    await accept(store, aChange(job))
    expect(puts()).toHaveLength(1)
    expect((await readJob(another(), job.id)).results).toEqual(rows)
  })

  it('is shared by its readers, so that none of them can change it', async () => {
    const job = aJob({ input: film() })
    await accept(store, aChange(job))
    const read = await readJob(store, job.id)
    expect(() => Object.assign(read.input.film as JsonObject, { title: 'b' })).toThrow(TypeError)
    expect((await readJob(store, job.id)).input).toEqual(film())
  })

  it('that is larger than the cache is fetched each time, and the cache stays as it is', async () => {
    const job = aJob({ input: { text: big('i') } })
    await accept(store, aChange(job))
    const small = another(100)
    await readJob(small, job.id)
    await readJob(small, job.id)
    expect(gets()).toHaveLength(2)
  })
})

describe('data that looks like a reference', () => {
  it.each<JsonObject>([
    { '$tutti.payload': { key: 'payloads/jobs/_x/1/abc', bytes: 1, sha256: 'abc' } },
    { '$tutti.payload': { literal: { '$tutti.payload': 1 } } },
    { '$tutti.payload': null, other: true },
    { a: { '$tutti.payload': { literal: 1 } }, b: [{ '$tutti.payload': 2 }] },
    { '$tutti.payload': { literal: big('x') } },
  ])('%j comes back as it was', async (input) => {
    const job = aJob({ input, data: { within: input }, output: input, results: [input] })
    await accept(store, aChange(job))
    expect(await readJob(another(), job.id)).toEqual(job)
  })

  it('and was stored before payloads were offloaded opens nobody’s payload', async () => {
    const victim = aJob({ input: { secret: big('s') } })
    await accept(store, aChange(victim))
    const [key = ''] = payloads.objects.keys()
    const sha256 = key.slice(key.lastIndexOf('/') + 1)
    const forged = { stolen: { '$tutti.payload': { key, bytes: 2002, sha256 } } }
    const thief = aJob({ input: forged })
    await accept(inner, aChange(thief))
    expect((await readJob(store, thief.id)).input).toEqual(forged)
  })
})

describe('object storage that is away', () => {
  it('fails the commit that needs it, whole and worth another try; small ones do not notice', async () => {
    payloads.away = 'payloads'
    const large = aJob({ input: film() })
    await expect(store.commit([aChange(large)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await inner.job([large.id])).toEqual([undefined])
    const small = aJob({ input: { a: 1 } })
    await accept(store, aChange(small))
    payloads.away = null
    await accept(store, aChange(large))
    expect(await readJob(another(), large.id)).toEqual(large)
  })

  it('is asked before a change joins others, and not again for them', async () => {
    const change = aChange(aJob({ input: film() }))
    await store.prepare(change)
    payloads.away = 'payloads'
    await accept(store, change, aChange(aJob()))
    payloads.away = null
    expect(puts()).toHaveLength(1)
  })

  it('does not pass for an unknown job', async () => {
    const job = aJob({ input: film() })
    await accept(store, aChange(job))
    payloads.away = 'payloads'
    await expect(another().job([job.id])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('gives tasks back untried, and hands out those that need none of it', async () => {
    const job = aJob()
    const [large, small] = [aTask(job, { params: { text: big('p') } }), aTask(job)]
    await accept(store, aChange(job, { enqueue: [large, small] }))
    const elsewhere = another()
    payloads.away = 'payloads'
    expect((await lease(elsewhere, { max: 5 })).map(({ task }) => task.id)).toEqual([small.id])
    await expect(lease(elsewhere, { max: 5 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    payloads.away = null
    expect((await lease(elsewhere, { max: 5 })).map(({ task }) => [task.id, task.attempt])).toEqual([[large.id, 1]])
  })

  it('keeps one job from being leased, and no other', async () => {
    const [large, small] = [aJob({ input: film(), wakeAt: 1 }), aJob({ wakeAt: 2 })]
    await accept(store, aChange(large), aChange(small))
    const elsewhere = another()
    payloads.away = 'payloads'
    const leased = await elsewhere.leaseJobs({ blueprints: here, limit: 5, leaseMs: 60_000 })
    expect([leased.map(({ id }) => id), errors.length]).toEqual([[small.id], 1])
  })
})

describe('a payload that is lost or damaged', () => {
  it('is PAYLOAD_LOST, never an empty or another value; the feed goes on', async () => {
    const job = aJob({ seq: 1 })
    await accept(store, aChange(job, { events: [anEvent(job, 1, { data: { text: big('e') } })] }))
    const [key = ''] = payloads.objects.keys()
    payloads.objects.set(key, { text: JSON.stringify(big('f')), modifiedAt: new Date() })
    await expect(another().events(job.id, 0, 5)).rejects.toMatchObject({ code: 'PAYLOAD_LOST' })
    payloads.objects.clear()
    await expect(another().events(job.id, 0, 5)).rejects.toMatchObject({ code: 'PAYLOAD_LOST' })
    const { events } = await another().feed({ after: null, limit: 5 })
    expect(events).toMatchObject([{ data: { text: { '$tutti.payload': { bytes: 2002 } } } }])
  })
})

describe('a list', () => {
  it('shows large values in short and fetches nothing; stored again, they are what they were', async () => {
    const job = aJob({ input: film(), output: big('o') })
    await accept(store, aChange(job))
    const elsewhere = another()
    const { jobs } = await elsewhere.jobs({ client: null, limit: 5 })
    expect(jobs).toMatchObject([
      {
        input: { film: { '$tutti.payload': { sha256: expect.any(String) } } },
        output: { '$tutti.payload': { bytes: 2002 } },
      },
    ])
    expect(gets()).toEqual([])
    await accept(elsewhere, aChange(next(jobs[0] as Job)))
    expect(await readJob(another(), job.id)).toEqual(next(job))
  })
})

describe('what is over', () => {
  it('is removed with its job, and nothing of a new job of the same id', async () => {
    const old = aJob({ input: film(), createdAt: 1_000 })
    const other = aJob({ input: film() })
    await accept(store, aChange(old), aChange(other))
    await accept(store, aChange({ ...ended(old), finishedAt: 2_000 }))
    const fresh = aJob({ id: old.id, input: film(), createdAt: store.now() + 1_000 })
    const removal = store.removeJobs([old.id])
    await inner.removeJobs([old.id])
    await accept(store, aChange(fresh))
    await removal
    expect(await readJob(another(), fresh.id)).toEqual(fresh)
    expect(payloads.objects.size).toBe(2)
  })

  it('is purged', async () => {
    const old = aJob({ input: film(), createdAt: 1_000 })
    await accept(store, aChange(old))
    await accept(store, aChange({ ...ended(old), finishedAt: 2_000 }))
    expect(await store.purge({ finishedBefore: 3_000, feedBefore: 0, limit: 10 })).toEqual([old.id])
    expect(payloads.objects.size).toBe(0)
  })

  it('or never came to be is swept after a day, and what is in use or young stays', async () => {
    const kept = aJob({ input: film() })
    const record = { ...aRecord, body: { text: big('z') } }
    await accept(store, aChange(kept, { records: [record] }))
    await store.prepare(aChange(aJob({ input: film() })))
    await store.prepare(aChange(kept, { records: [{ ...record, id: 'other/..' }] }))
    await store.prepare(aChange({ ...kept, createdAt: 5 }))
    const young = aChange(aJob({ input: film() }))
    const dayAgo = new Date(Date.now() - 25 * 3_600_000)
    for (const object of payloads.objects.values()) object.modifiedAt = dayAgo
    await store.prepare(young)
    expect(await store.sweep()).toBe(3)
    await accept(another(), young)
    expect(await readJob(another(), kept.id)).toEqual(kept)
    expect(await another().getRecords('delivery', [record.id])).toEqual([record])
  })

  it('is stored anew when a job of its id begins again: what was stored before may be gone', async () => {
    const job = aJob({ input: film() })
    await accept(store, aChange(job))
    await accept(inner, aChange({ ...ended(job), input: {} }))
    await inner.removeJobs([job.id])
    payloads.objects.clear()
    await accept(store, aChange({ ...job }))
    expect(await readJob(another(), job.id)).toEqual(job)
  })
})

const aRetry = { attempts: 1, backoff: 'fixed' as const, initialMs: 1, maxMs: 1, elsewhere: false }

const aRecord = {
  kind: 'delivery',
  id: 'd/1',
  owner: null,
  ref: null,
  rev: 1,
  dueAt: 1,
  expiresAt: null,
  body: {},
}
