/** Taking jobs whose handler is to be run. */
import type { BlueprintVersion } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, type Current, commitOne, here, next } from './subject.ts'

export const jobLeaseSuite = (current: Current): void => {
  const take = (blueprints: BlueprintVersion[], limit = 10, leaseMs = 60_000) =>
    current().store.leaseJobs({ blueprints, limit, leaseMs })

  test('only jobs whose instant has come, and only of blueprints that the taker has', async () => {
    const { store } = current()
    const due = aJob({ wakeAt: 5 })
    const others = [
      aJob({ wakeAt: 4_000_000_000_000 }),
      aJob({ wakeAt: null }),
      aJob({ wakeAt: 5, blueprint: 'other' }),
    ]
    await accept(store, aChange(due), ...others.map((job) => aChange(job)))
    expect((await take([])).length).toBe(0)
    expect((await take([...here, { name: 'third', version: 1 }])).map((job) => job.id)).toEqual([due.id])
    expect((await take([{ name: 'other', version: 1 }])).map((job) => job.blueprint)).toEqual(['other'])
  })

  test('versions are rolled out: each instance takes only the versions it has', async () => {
    const { store } = current()
    const jobs = [1, 2, 3].map((version) => aJob({ version, wakeAt: 5 }))
    await accept(store, ...jobs.map((job) => aChange(job)))
    const versions = [1, 3].map((version) => ({ name: 'transcode', version }))
    expect((await take(versions)).map((job) => job.version).sort()).toEqual([1, 3])
    expect(await take([...versions, { name: 'other', version: 2 }])).toEqual([])
  })

  test('taking a job is a revision of its own, and is the taker’s until the lease ends', async () => {
    const { store } = current()
    const job = aJob({ wakeAt: 5, data: { kept: true } })
    await accept(store, aChange(job))
    const [first] = await take(here, 10, 0)
    expect(first).toEqual({ ...job, rev: 2, wakeAt: expect.any(Number) })
    expect(await store.job([job.id])).toEqual([first])
    const [second] = await take(here, 10, 60_000)
    expect(second?.rev).toBe(3)
    expect(second?.wakeAt).toBeGreaterThan(store.now() + 30_000)
    expect(await take(here)).toEqual([])
    if (!first || !second) throw new Error('the job was due twice')
    // Whoever took it first has been too slow.
    expect(await commitOne(store, aChange(next(first)))).toEqual({ accepted: false, reason: 'stale' })
    expect(await commitOne(store, aChange(next(second, { wakeAt: null })))).toEqual({ accepted: true })
  })

  test('two clients that look at once share the jobs, the longest due first', async () => {
    const clients = [current().store, await current().second()] as const
    const jobs = Array.from({ length: 30 }, (_, at) => aJob({ wakeAt: 100 - at }))
    await accept(clients[0], ...jobs.map((job) => aChange(job)))
    const oldest = await take(here, 2)
    expect(oldest.map((job) => job.id).sort()).toEqual([jobs[28]?.id, jobs[29]?.id].sort())
    const ids = oldest.map((job) => job.id)
    while (ids.length < 30) {
      const looks = [0, 1, 0, 1].map((at) =>
        clients[at === 0 ? 0 : 1].leaseJobs({ blueprints: here, limit: 5, leaseMs: 60_000 }),
      )
      ids.push(...(await Promise.all(looks)).flat().map((job) => job.id))
    }
    expect(new Set(ids).size).toBe(30)
  })
}
