/** Listing jobs. */
import { TuttiError } from '@tutti/contracts'
import type { Job, JobQuery, Store } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, type Current, here, next } from './subject.ts'

export const queriesSuite = (current: Current): void => {
  const ids = async (query: Partial<JobQuery>): Promise<string[]> => {
    const { jobs, cursor } = await current().store.jobs({ client: null, limit: 100, ...query })
    expect(cursor).toBeNull()
    return jobs.map((job) => job.id)
  }
  const pages = async (
    store: Store,
    query: JobQuery,
    between: () => Promise<void> = async () => {},
  ): Promise<Job[]> => {
    const found: Job[] = []
    let cursor: string | null = null
    do {
      const page: { jobs: Job[]; cursor: string | null } = await store.jobs(
        cursor === null ? query : { ...query, cursor },
      )
      expect(page.jobs.length).toBeLessThanOrEqual(query.limit)
      found.push(...page.jobs)
      cursor = page.cursor
      await between()
    } while (cursor !== null)
    return found
  }

  test('every filter narrows, alone and together', async () => {
    const { store } = current()
    const at = (createdAt: number, patch: Partial<Job>) => aJob({ createdAt, ...patch })
    const a = at(4, { client: 'a', status: 'finished', blueprint: 'x', tags: ['red', 'big'] })
    const b = at(3, { client: 'a', status: 'failed', blueprint: 'x', tags: ['red'] })
    const c = at(2, { client: 'b', status: 'finished', blueprint: 'y', tags: ['big'] })
    const d = at(1, { client: 'a', status: 'finished', blueprint: 'y' })
    await accept(store, ...[a, b, c, d].map((job) => aChange(job)))
    expect(await ids({})).toEqual([a.id, b.id, c.id, d.id])
    expect(await ids({ client: 'a' })).toEqual([a.id, b.id, d.id])
    expect(await ids({ statuses: ['finished'] })).toEqual([a.id, c.id, d.id])
    expect(await ids({ blueprint: 'y' })).toEqual([c.id, d.id])
    expect(await ids({ labels: ['red'] })).toEqual([a.id, b.id])
    expect(await ids({ labels: ['re'] })).toEqual([])
    expect(await ids({ client: 'a', statuses: ['finished'], blueprint: 'x', labels: ['big'] })).toEqual([a.id])
    expect(await ids({ client: 'nobody' })).toEqual([])
  })

  test('any of several statuses, all of several labels, and a span of time', async () => {
    const { store } = current()
    const child = aJob({
      createdAt: 30,
      parentId: crypto.randomUUID(),
      metadata: { env: 'prod', n: 3, deep: { no: 1 } },
    })
    const forked = aJob({
      createdAt: 20,
      status: 'failed',
      tags: ['x'],
      origin: { kind: 'fork', jobId: child.id, seq: 1 },
    })
    const planned = aJob({ createdAt: 10, status: 'finished', origin: { kind: 'schedule', scheduleId: 's', dueAt: 1 } })
    await accept(store, ...[child, forked, planned].map((job) => aChange(job)))
    expect(await ids({ statuses: ['failed', 'finished'] })).toEqual([forked.id, planned.id])
    expect(await ids({ statuses: [] })).toEqual([])
    expect(await ids({ labels: [] })).toHaveLength(3)
    expect(await ids({ labels: ['env=prod', 'n=3'] })).toEqual([child.id])
    expect(await ids({ labels: ['env=prod', 'x'] })).toEqual([])
    expect(await ids({ labels: ['deep=no'] })).toEqual([])
    expect(await ids({ labels: [`parent:${child.parentId}`] })).toEqual([child.id])
    expect(await ids({ labels: [`fork:${child.id}`] })).toEqual([forked.id])
    expect(await ids({ labels: ['schedule:s'] })).toEqual([planned.id])
    expect(await ids({ createdFrom: 20 })).toEqual([child.id, forked.id])
    expect(await ids({ createdBefore: 20 })).toEqual([planned.id])
    expect(await ids({ createdFrom: 11, createdBefore: 30 })).toEqual([forked.id])
  })

  test('a label that comes or goes with a change is found, or not, from then on', async () => {
    const { store } = current()
    const job = aJob({ tags: ['old', 'both'] })
    await accept(store, aChange(job))
    await accept(store, aChange(next(job, { tags: ['new', 'both'], metadata: { env: 'prod' } })))
    expect(await ids({ labels: ['old'] })).toEqual([])
    expect(await ids({ labels: ['new', 'both', 'env=prod'] })).toEqual([job.id])
  })

  test('a job is listed as it is now, not as it was', async () => {
    const { store } = current()
    const job = aJob({ status: 'running', wakeAt: 5 })
    await accept(store, aChange(job))
    const [leased] = await store.leaseJobs({ blueprints: here, limit: 1, leaseMs: 60_000 })
    expect((await store.jobs({ client: null, limit: 1 })).jobs).toEqual([leased])
    const done = next(leased ?? job, { status: 'finished', wakeAt: null })
    await accept(store, aChange(done))
    expect(await ids({ statuses: ['running'] })).toEqual([])
    expect((await store.jobs({ client: null, limit: 1, statuses: ['finished'] })).jobs).toEqual([done])
  })

  test('pages are complete and without duplicates while jobs are created, also of one millisecond', async () => {
    const { store } = current()
    const there = Array.from({ length: 25 }, (_, at) => aJob({ createdAt: 1_000 + Math.floor(at / 10) }))
    await accept(store, ...there.map((job) => aChange(job)))
    const query = { client: 'client-a', limit: 4 }
    const found = await pages(store, query, async () => accept(store, aChange(aJob({ createdAt: 2_000 }))))
    const expected = [...there].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    expect(found.map((job) => job.id)).toEqual(expected.map((job) => job.id))
  })

  test('the last page says that it is the last, full or not', async () => {
    const { store } = current()
    await accept(store, ...Array.from({ length: 4 }, () => aChange(aJob())))
    expect((await store.jobs({ client: null, limit: 4 })).cursor).toBeNull()
    const first = await store.jobs({ client: null, limit: 3 })
    expect(first.cursor).not.toBeNull()
    const second = await store.jobs({ client: null, limit: 3, cursor: first.cursor ?? '' })
    expect([second.jobs.length, second.cursor]).toEqual([1, null])
  })

  test.each([
    'nonsense',
    'x_y',
    `1_${crypto.randomUUID()}_2`,
    `1e400_${crypto.randomUUID()}`,
    '1_no-uuid',
    '',
    "1_' OR 1=1",
  ])('a cursor that no page gave is the asker’s fault: %j', async (cursor) => {
    const { store } = current()
    await accept(store, aChange(aJob()))
    const asked = store.jobs({ client: null, limit: 1, cursor })
    await expect(asked).rejects.toThrow(TuttiError)
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_QUERY', path: 'query.cursor' })
  })
}
