/**
 * A Store whose large values lie in object storage: they leave on the way in and come back on the way out, and nobody who
 * uses the Store notices. A payload is stored before the commit that names it; what a commit that failed leaves behind is
 * swept later.
 */
import { TuttiError } from '@tutti/contracts'
import type { Change, Job, JobEvent, LeasedTask, Store, StoredRecord, Timer } from '@tutti/engine'
import { createPayloadCache } from './cache.ts'
import { canOwn, ofInbox, ofJob, ofLife, ofRecord } from './owner.ts'
import { createPacker, type Upload } from './pack.ts'
import type { Payloads } from './payloads.ts'
import { type Fill, inEvent, inJob, inLease, inRecord, inTask, inTimer } from './slots.ts'
import { deleteOfJob, sweep } from './sweep.ts'
import { createUnpacker } from './unpack.ts'

export interface OffloadOptions {
  payloads: Payloads
  /** A value of more characters of JSON than this is offloaded. */
  thresholdBytes: number
  /** Payloads kept in memory, in characters. */
  cacheBytes?: number
  /** What went wrong where nobody waits for an answer: a payload that is lost, a deletion that failed. */
  onError: (error: unknown) => void
}

export interface OffloadingStore extends Store {
  prepare(change: Change): Promise<void>
  /** Deletes payloads older than this (a day) whose job or record does not exist. Answers how many. Once a day is enough. */
  sweep(olderThanMs?: number): Promise<number>
}

const oneDay = 24 * 60 * 60 * 1000

export const offloading = (store: Store, options: OffloadOptions): OffloadingStore => {
  const { payloads, thresholdBytes, cacheBytes = 64 * 1024 * 1024, onError } = options
  const cache = createPayloadCache(cacheBytes)
  const packer = createPacker(thresholdBytes, cache)
  const unpacker = createUnpacker(payloads, cache, packer)
  /** Changes whose payloads are stored, and what is to be committed in their place. */
  const prepared = new WeakMap<Change, Change>()

  const upload = async (uploads: Map<string, Upload>): Promise<void> => {
    const storing = [...uploads.values()].map(async ({ key, sha256, text }) => {
      await payloads.put(key, Buffer.from(text), { contentType: 'application/json', sha256 })
      cache.put(key, text)
      cache.stored(key)
    })
    const failed = (await Promise.allSettled(storing)).find((outcome) => outcome.status === 'rejected')
    if (failed) throw new TuttiError('STORE_UNAVAILABLE', 'A payload can’t be stored now', { cause: failed.reason })
  }
  const filler =
    (uploads: Map<string, Upload>) =>
    (owner: string, names: string[], trusting: boolean): Fill =>
      canOwn(...names) ? packer.fill(owner, uploads, trusting) : (value) => value

  const pack = async (change: Change): Promise<Change> => {
    const done = prepared.get(change)
    if (done) return done
    const uploads = new Map<string, Upload>()
    const into = filler(uploads)
    const record = (each: StoredRecord) => inRecord(each, into(ofRecord(each), [each.kind, each.id], false))
    const timerOf = (job: Job, fill: Fill) => (timer: Timer) =>
      inTimer(timer, timer.jobId === job.id ? fill : into(ofInbox(timer.jobId), [timer.jobId], false))
    const { job } = change
    // A job of rev 1 may bear the id of one that was removed, together with what this process once stored for it.
    const fill = into(ofLife(job), [job.id], job.rev > 1)
    const packed: Change = {
      ...change,
      job: inJob(job, fill),
      enqueue: change.enqueue.map((task) => inTask(task, fill)),
      setTimers: change.setTimers.map(timerOf(job, fill)),
      events: change.events.map((event) => inEvent(event, fill)),
      spawn: change.spawn.map((child) => {
        const childFill = into(ofLife(child.job), [child.job.id], false)
        return {
          job: inJob(child.job, childFill),
          events: child.events.map((event) => inEvent(event, childFill)),
          timers: child.timers.map(timerOf(child.job, childFill)),
        }
      }),
      records: change.records.map(record),
    }
    await upload(uploads)
    prepared.set(change, packed)
    return packed
  }

  const wholeJob = (job: Job): Promise<Job> => unpacker.whole(job, ofJob(job.id), inJob)
  const wholeRecord = (record: StoredRecord): Promise<StoredRecord> =>
    unpacker.whole(record, ofRecord(record), inRecord)
  /** Those that can be had. The others stay leased: they come again when their lease is over. */
  const obtainable = async <T>(things: T[], obtain: (thing: T) => Promise<T>): Promise<T[]> => {
    const outcomes = await Promise.allSettled(things.map(obtain))
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'fulfilled') return [outcome.value]
      onError(outcome.reason)
      return []
    })
  }
  const forget = async (ids: string[], notFrom: number): Promise<void> => {
    // What can't be deleted now is swept later; the jobs are gone either way.
    for (const id of ids) await deleteOfJob(payloads, id, notFrom).catch(onError)
  }

  return {
    ...store,
    prepare: async (change) => {
      await pack(change)
    },
    commit: async (changes) => store.commit(await Promise.all(changes.map(pack))),
    job: async (ids) => Promise.all((await store.job(ids)).map(async (job) => job && wholeJob(job))),
    jobs: async (query) => {
      const { jobs, cursor } = await store.jobs(query)
      return { jobs: jobs.map((job) => unpacker.short(job, ofJob(job.id), inJob)), cursor }
    },
    events: async (jobId, since, limit) => {
      const events = await store.events(jobId, since, limit)
      return Promise.all(events.map((event) => unpacker.whole<JobEvent>(event, ofJob(jobId), inEvent)))
    },
    feed: async (request) => {
      const { events, cursor } = await store.feed(request)
      const whole = events.map((event) => unpacker.surviving(event, ofJob(event.jobId), inEvent))
      return { events: await Promise.all(whole), cursor }
    },
    removeJobs: async (ids) => {
      const before = store.now()
      const removed = await store.removeJobs(ids)
      await forget(removed, before + 1)
      return removed
    },
    purge: async (request) => {
      const removed = await store.purge(request)
      await forget(removed, request.finishedBefore)
      return removed
    },
    leaseJobs: async (request) => obtainable(await store.leaseJobs(request), wholeJob),
    leaseTasks: async (requests) => Promise.all((await store.leaseTasks(requests)).map(obtainTasks)),
    leaseTimers: async (request) => {
      const { timers, lost } = await store.leaseTimers(request)
      const whole = (timer: Timer) => unpacker.whole(timer, ofJob(timer.jobId), inTimer)
      return { timers: await obtainable(timers, whole), lost }
    },
    putRecords: async (records) => {
      const uploads = new Map<string, Upload>()
      const into = filler(uploads)
      const packed = records.map((each) => inRecord(each, into(ofRecord(each), [each.kind, each.id], false)))
      await upload(uploads)
      return store.putRecords(packed)
    },
    getRecords: async (kind, ids) =>
      Promise.all((await store.getRecords(kind, ids)).map(async (record) => record && wholeRecord(record))),
    listRecords: async (query) => Promise.all((await store.listRecords(query)).map(wholeRecord)),
    leaseRecords: async (request) => obtainable(await store.leaseRecords(request), wholeRecord),
    sweep: (olderThanMs = oneDay) => sweep(store, payloads, store.now() - olderThanMs),
  }

  async function obtainTasks(leases: LeasedTask[]): Promise<LeasedTask[]> {
    const given: LeasedTask[] = []
    const back: LeasedTask[] = []
    let unavailable: unknown
    const outcomes = await Promise.allSettled(
      leases.map((leased) => unpacker.whole(leased, ofJob(leased.task.jobId), inLease)),
    )
    outcomes.forEach((outcome, at) => {
      const leased = leases[at] as LeasedTask
      if (outcome.status === 'fulfilled') given.push(outcome.value)
      // Without its parameters no worker can do it: the lease runs out, and the job judges a lost try.
      else if (isLost(outcome.reason)) onError(outcome.reason)
      else {
        unavailable = outcome.reason
        back.push(leased)
      }
    })
    if (back.length === 0) return given
    await store.release(back.map(({ task, token }) => [task.id, token]))
    // A worker that gets nothing would ask again at once, and be given the same tasks.
    if (given.length === 0) throw unavailable
    onError(unavailable)
    return given
  }
}

const isLost = (error: unknown): boolean => error instanceof TuttiError && error.code === 'PAYLOAD_LOST'
