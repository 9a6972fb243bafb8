/** The log lines of all jobs, for one who reads on and on. */
import { TuttiError } from '@tutti/contracts'
import type { FeedEvent, Store } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, anEvent, type Current, ended, next } from './subject.ts'

export const feedSuite = (current: Current): void => {
  const readOn = async (store: Store, after: string | null, limit = 100, client?: string) => {
    const events: FeedEvent[] = []
    let cursor = after
    for (;;) {
      const page = await store.feed({ after: cursor, limit, ...(client === undefined ? {} : { client }) })
      expect(page.events.length).toBeLessThanOrEqual(limit)
      if (page.events.length === 0) {
        expect(page.cursor).toBe(cursor)
        return { events, cursor }
      }
      expect(page.cursor).toBe(page.events.at(-1)?.cursor)
      events.push(...page.events)
      cursor = page.cursor
    }
  }
  /** Reads until so many lines have come: a line may be told of a moment after it was taken. */
  const read = async (count: number, after: string | null = null, limit = 100, client?: string) => {
    let found = await readOn(current().store, after, limit, client)
    await expect
      .poll(async () => {
        if (found.events.length < count) found = await readOn(current().store, after, limit, client)
        return found.events.length
      })
      .toBeGreaterThanOrEqual(count)
    expect(found.events).toHaveLength(count)
    return found
  }
  const lines = (events: FeedEvent[]) => events.map(({ jobId, seq }) => `${jobId} ${seq}`)

  test('a line is told as the log has it, with its job’s client and blueprint', async () => {
    const { store } = current()
    const job = aJob({ client: 'c\u0000\ud83d', blueprint: 'b', seq: 1 })
    const event = anEvent(job, 1, { at: 7, type: 'x', state: 's', data: { deep: [1] } })
    await accept(store, aChange(job, { events: [event] }))
    const { events } = await read(1)
    expect(events).toEqual([{ ...event, client: job.client, blueprint: 'b', cursor: expect.any(String) }])
  })

  test('nothing is told where nothing is, and the reader stays where he was', async () => {
    expect(await current().store.feed({ after: null, limit: 5 })).toEqual({ events: [], cursor: null })
  })

  test('the lines of a change come in their order, those of its children too, page by page', async () => {
    const { store } = current()
    const [parent, child] = [aJob({ seq: 3 }), aJob({ seq: 2 })]
    const of = (job: typeof parent, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => anEvent(job, from + at))
    const spawn = [{ job: child, events: of(child, 1, 2), timers: [] }]
    await accept(store, aChange(parent, { events: of(parent, 1, 3), spawn }))
    await accept(store, aChange(next(parent, { seq: 5 }), { events: of(parent, 4, 5) }))
    const { events } = await read(7, null, 2)
    const seqs = (id: string) => events.filter(({ jobId }) => jobId === id).map(({ seq }) => seq)
    expect(seqs(parent.id)).toEqual([1, 2, 3, 4, 5])
    expect(seqs(child.id)).toEqual([1, 2])
    // From behind any line: exactly the rest.
    for (const [at, event] of events.entries()) {
      const rest = await readOn(store, event.cursor, 3)
      expect(lines(rest.events)).toEqual(lines(events.slice(at + 1)))
    }
  })

  test('a change that is refused tells nothing, and a child that was there no second time', async () => {
    const { store } = current()
    const [parent, child] = [aJob(), aJob({ seq: 1 })]
    const spawn = [{ job: child, events: [anEvent(child, 1)], timers: [] }]
    await accept(store, aChange(parent, { spawn }))
    await store.commit([aChange(parent, { events: [anEvent(parent, 1)] })])
    await accept(store, aChange(next(parent), { spawn }))
    const marker = aJob({ seq: 1 })
    await accept(store, aChange(marker, { events: [anEvent(marker, 1)] }))
    expect(lines((await read(2)).events)).toEqual([`${child.id} 1`, `${marker.id} 1`])
  })

  test('from its end on, the feed tells what comes later, and nothing else', async () => {
    const { store } = current()
    expect(await store.feedEnd()).toBeNull()
    const [old, young] = [aJob({ seq: 2 }), aJob({ seq: 1 })]
    await accept(store, aChange(old, { events: [anEvent(old, 1), anEvent(old, 2)] }))
    const { cursor } = await read(2)
    expect(await store.feedEnd()).toBe(cursor)
    await accept(store, aChange(young, { events: [anEvent(young, 1)] }))
    expect(lines((await read(1, cursor)).events)).toEqual([`${young.id} 1`])
  })

  test('a client reads its own lines alone, and goes on behind them', async () => {
    const { store } = current()
    const jobs = Array.from({ length: 9 }, (_, at) => aJob({ client: at % 3 === 0 ? 'mine' : 'other', seq: 1 }))
    for (const job of jobs) await accept(store, aChange(job, { events: [anEvent(job, 1)] }))
    await read(9)
    const first = await read(3, null, 2, 'mine')
    expect(first.events.map(({ jobId }) => jobId)).toEqual([jobs[0]?.id, jobs[3]?.id, jobs[6]?.id])
    const more = aJob({ client: 'mine', seq: 1 })
    await accept(store, aChange(more, { events: [anEvent(more, 1)] }))
    expect((await read(1, first.cursor, 2, 'mine')).events[0]?.jobId).toBe(more.id)
  })

  test('while two clients write, a reader who goes on behind what he has read misses no line and gets none twice', async () => {
    const clients = [current().store, await current().second()] as const
    let writing = true
    const expected = new Set<string>()
    const write = async (store: Store): Promise<void> => {
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          let job = aJob({ seq: 2 })
          await accept(store, aChange(job, { events: [anEvent(job, 1), anEvent(job, 2)] }))
          for (let round = 0; round < 6; round += 1) {
            job = next(job, { seq: job.seq + 1 })
            await accept(store, aChange(job, { events: [anEvent(job, job.seq)] }))
          }
          for (let seq = 1; seq <= job.seq; seq += 1) expected.add(`${job.id} ${seq}`)
        }),
      )
    }
    const got: FeedEvent[] = []
    const follow = async (): Promise<void> => {
      let cursor: string | null = null
      for (let quiet = false; !quiet; ) {
        const last = !writing && got.length >= 128
        const page = await readOn(clients[1], cursor, 5)
        got.push(...page.events)
        cursor = page.cursor
        quiet = last
      }
    }
    const following = follow()
    await Promise.all([write(clients[0]), write(clients[1])])
    writing = false
    await following
    expect(new Set(lines(got))).toEqual(expected)
    expect(got).toHaveLength(expected.size)
    for (const [id, events] of Map.groupBy(got, ({ jobId }) => jobId))
      expect(
        events.map(({ seq }) => seq),
        id,
      ).toEqual(events.map((_, at) => at + 1))
  })

  test('the lines of a removed job are gone, and a later job of its id begins its own', async () => {
    const { store } = current()
    const job = ended(aJob({ seq: 1, rev: 0 }))
    const kept = aJob({ seq: 1 })
    await accept(store, aChange(job, { events: [anEvent(job, 1)] }), aChange(kept, { events: [anEvent(kept, 1)] }))
    const { cursor } = await read(2)
    await store.removeJobs([job.id])
    expect(lines((await read(1)).events)).toEqual([`${kept.id} 1`])
    const again = aJob({ id: job.id, seq: 1, createdAt: job.createdAt + 1 })
    await accept(store, aChange(again, { events: [anEvent(again, 1)] }))
    expect(lines((await read(1, cursor)).events)).toEqual([`${job.id} 1`])
    await read(2)
  })

  test.each(['nonsense', '', '-1', '1; DROP TABLE', '9'.repeat(60), '1_2', 'null'])(
    'a cursor that the feed never gave is the asker’s fault: %j',
    async (after) => {
      const asked = current().store.feed({ after, limit: 1 })
      await expect(asked).rejects.toThrow(TuttiError)
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_QUERY', path: 'query.after' })
    },
  )
}
