import type { Job, JobEvent, Store } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { aChange, accept, aJob, next } from '@tutti/stores/conformance'
import { expect, test, vi } from 'vitest'
import { archivePortion, type HistoryArchive, openSqliteArchive, startArchiver } from '../src/index.ts'

const line = (job: Job, seq: number): JobEvent => ({
  jobId: job.id,
  seq,
  at: job.createdAt + seq,
  type: 'progress',
  state: job.state,
  data: { n: seq },
})
/** Jobs with so many lines each. */
const fill = async (store: Store, jobs: number, lines: number): Promise<Job[]> => {
  const made: Job[] = []
  for (let count = 0; count < jobs; count += 1) {
    let job = aJob({ seq: 1 })
    await accept(store, aChange(job, { events: [line(job, 1)] }))
    for (let seq = 2; seq <= lines; seq += 1) {
      job = next(job, { seq })
      await accept(store, aChange(job, { events: [line(job, seq)] }))
    }
    made.push(job)
  }
  return made
}
const numbers = async (archive: HistoryArchive, job: Job): Promise<number[]> =>
  (await archive.jobEvents(job.id, 0, 10_000)).map((event) => event.seq)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)

test('what was logged before and while it runs is archived, and stop ends it', async () => {
  const store = createMemoryStore()
  const archive = openSqliteArchive(':memory:')
  const early = await fill(store, 3, 5)
  const archiver = startArchiver({ store, archive, onError: () => {}, safetyIntervalMs: 60_000 })
  await vi.waitFor(async () => expect(await numbers(archive, early[2] as Job)).toEqual(upTo(5)))
  // The safety look is a minute away: it is the news that brings these.
  const [late] = await fill(store, 1, 7)
  await vi.waitFor(async () => expect(await numbers(archive, late as Job)).toEqual(upTo(7)))
  await archiver.stop()
  await fill(store, 1, 1)
  expect(await archivePortion(store, archive)).toBe(false)
  await archive.close()
})

test('a crash between reading and keeping, at any portion, loses nothing and repeats nothing', async () => {
  const store = createMemoryStore()
  const archive = openSqliteArchive(':memory:')
  const jobs = await fill(store, 40, 60)
  let turn = 0
  const flaky: HistoryArchive = {
    ...archive,
    append: async (events, position) => {
      turn += 1
      // Before anything was kept, and after everything was: the one who asked can't tell which.
      if (turn % 3 === 1) throw new Error('died before')
      await archive.append(events, position)
      if (turn % 3 === 2) throw new Error('died after')
    },
  }
  for (let more = true; more; ) more = await archivePortion(store, flaky).catch(() => true)
  for (const job of jobs) expect(await numbers(archive, job)).toEqual(upTo(60))
  await archive.close()
})

test('two at once into one archive leave every line once', async () => {
  const store = createMemoryStore()
  const archive = openSqliteArchive(':memory:')
  const jobs = await fill(store, 20, 120)
  const work = async (): Promise<void> => {
    while (await archivePortion(store, archive));
  }
  await Promise.all([work(), work()])
  for (const job of jobs) expect(await numbers(archive, job)).toEqual(upTo(120))
  await archive.close()
})

test('an archive that is out of reach is tried again until it is back', async () => {
  const store = createMemoryStore()
  const archive = openSqliteArchive(':memory:')
  const [job] = await fill(store, 1, 3)
  const errors: unknown[] = []
  let away = true
  const flaky: HistoryArchive = {
    ...archive,
    position: async () => {
      if (away) throw new Error('away')
      return archive.position()
    },
  }
  const archiver = startArchiver({ store, archive: flaky, onError: (error) => errors.push(error) })
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0))
  away = false
  await vi.waitFor(async () => expect(await numbers(archive, job as Job)).toEqual(upTo(3)), { timeout: 10_000 })
  await archiver.stop()
  await archive.close()
})
