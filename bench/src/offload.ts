/**
 * What the offload costs a job that has nothing to offload, and what it saves one that has: `node bench/src/offload.ts`.
 * With and without take turns in one run over the built-in PostgreSQL, so that the ratio says more than either rate.
 */
import { type Change, type Job, newJob, type Store } from '@tutti/engine'
import { createLocalObjects } from '@tutti/objects'
import { createPostgresStore, offloading } from '@tutti/stores'
import { scratchDatabase, scratchFolder } from './scratch.ts'

const steps = 4
const thresholdBytes = 64 * 1024

const aJob = (input: Job['input']): Job => ({
  ...newJob(
    {
      id: crypto.randomUUID(),
      blueprint: 'bench',
      version: 1,
      client: 'bench',
      start: 'begin',
      input,
      priority: 0,
      tags: [],
      metadata: {},
      parentId: null,
      deadlineAt: null,
    },
    Date.now(),
  ),
  status: 'running',
  data: { step: 0, title: 'a small thing', tags: ['a', 'b'] },
  rev: 1,
  seq: 1,
})

const changeOf = (job: Job): Change => ({
  job,
  fences: [],
  answered: [],
  enqueue: [],
  requeue: [],
  close: [],
  setTimers: [],
  clearTimers: [],
  events: [{ jobId: job.id, seq: job.seq, at: job.createdAt, type: 'state_entered', state: job.state, data: {} }],
  spawn: [],
  records: [],
})

/** Jobs per second: each is created, and then read and stored again a few times. */
const run = async (store: Store, count: number, input: () => Job['input']): Promise<number> => {
  let jobs = Array.from({ length: count }, () => aJob(input()))
  const begun = performance.now()
  await store.commit(jobs.map(changeOf))
  for (let step = 1; step <= steps; step += 1) {
    const read = await store.job(jobs.map(({ id }) => id))
    jobs = read.flatMap((job) =>
      job ? [{ ...job, rev: job.rev + 1, seq: job.seq + 1, data: { ...job.data, step } }] : [],
    )
    await store.commit(jobs.map(changeOf))
  }
  return count / ((performance.now() - begun) / 1000)
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

await scratchFolder((root) =>
  scratchDatabase(async (connectionString) => {
    const plain = await createPostgresStore({ connectionString })
    const payloads = createLocalObjects({ root, publicUrl: 'http://localhost', secret: 'of the bench' })
    const offloaded = offloading(plain, { payloads, thresholdBytes, onError: console.error })
    const small = () => ({ url: 'https://example.org/a.mp4', sizes: [64, 128, 256] })
    const large = () => ({ film: 'x'.repeat(1024 * 1024) + Math.random() })
    for (const [what, count, input] of [
      ['small jobs', 500, small],
      ['jobs with 1 MB', 4, large],
    ] as const) {
      const rates: { plain: number[]; offloaded: number[] } = { plain: [], offloaded: [] }
      for (let round = 0; round <= 5; round += 1) {
        const pair = [await run(plain, count, input), await run(offloaded, count, input)] as const
        // The first round warms up.
        if (round === 0) continue
        rates.plain.push(pair[0])
        rates.offloaded.push(pair[1])
      }
      const ratios = rates.plain.map((rate, at) => (rates.offloaded[at] ?? 0) / rate)
      console.log(
        `${what}: ${median(rates.plain).toFixed(0)} jobs/s without, ${median(rates.offloaded).toFixed(0)} with; ` +
          `ratio ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      )
    }
    await plain.close()
  }),
)
