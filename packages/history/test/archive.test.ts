/** One suite for both databases. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FeedEvent } from '@tutti/engine'
import { testDatabase } from '@tutti/stores/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HistoryArchive, openArchive } from '../src/index.ts'

interface Subject {
  archive: HistoryArchive
  /** Another connection to the same archive, as after a restart. */
  again(): Promise<HistoryArchive>
  end(): Promise<void>
}

const subjects: Record<string, () => Promise<Subject>> = {
  sqlite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tutti-history-'))
    const open = () => openArchive(`sqlite://${folder}/deep/history%20of%20jobs.db`, () => {})
    return { archive: await open(), again: open, end: async () => rmSync(folder, { recursive: true }) }
  },
  postgres: async () => {
    const database = await testDatabase()
    const open = () => openArchive(database.connectionString, () => {})
    return { archive: await open(), again: open, end: database.drop }
  },
}

const jobs = Array.from({ length: 4 }, () => crypto.randomUUID())
const anEvent = (patch: Partial<FeedEvent> = {}): FeedEvent => ({
  jobId: jobs[0] ?? '',
  seq: 1,
  at: 1_000,
  type: 'job_created',
  state: 'start',
  data: {},
  client: 'a',
  blueprint: 'b',
  cursor: 'c',
  ...patch,
})
const numbers = (events: { seq: number }[]): number[] => events.map((event) => event.seq)

describe.each(Object.entries(subjects))('the archive in %s', (_name, open) => {
  let subject: Subject
  let archive: HistoryArchive
  const opened: HistoryArchive[] = []
  beforeEach(async () => {
    subject = await open()
    archive = subject.archive
    opened.push(archive)
  })
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close()
    await subject.end()
  })
  const reopen = async (): Promise<HistoryArchive> => {
    const other = await subject.again()
    opened.push(other)
    return other
  }

  test('is empty at first', async () => {
    expect(await archive.position()).toBeNull()
    expect(await archive.archivedUpTo()).toBeNull()
    expect(await archive.events({ client: null, limit: 10 })).toEqual({ events: [], cursor: null })
  })

  test('answers what it was given, with the facts that people look for', async () => {
    const data = { duration_ms: 12.4, previous_state: 'start', worker_id: 'w1', attempt: 2, deep: [{ x: null }] }
    await archive.append([anEvent({ type: 'state_entered', state: 'render', data })], 'p1')
    expect(await archive.jobEvents(jobs[0] ?? '', 0, 10)).toEqual([
      {
        jobId: jobs[0],
        seq: 1,
        at: 1_000,
        type: 'state_entered',
        state: 'render',
        client: 'a',
        blueprint: 'b',
        durationMs: 12,
        previousState: 'start',
        nextState: 'render',
        worker: 'w1',
        attempt: 2,
        data,
      },
    ])
  })

  test('a portion that comes twice is there once, and its position survives a restart', async () => {
    await archive.append([anEvent(), anEvent({ seq: 2 })], 'p1')
    await archive.append([anEvent({ seq: 2, state: 'other' }), anEvent({ seq: 3 })], 'p2')
    const later = await reopen()
    expect(await later.position()).toBe('p2')
    const events = await later.jobEvents(jobs[0] ?? '', 0, 10)
    expect(numbers(events)).toEqual([1, 2, 3])
    expect(events[1]?.state).toBe('start')
  })

  test('a portion that fails leaves neither lines nor position', async () => {
    await archive.append([anEvent()], 'p1')
    const broken = { ...anEvent({ seq: 3 }), jobId: null as unknown as string }
    await expect(archive.append([anEvent({ seq: 2 }), broken], 'p2')).rejects.toThrow()
    expect(await archive.position()).toBe('p1')
    expect(numbers(await archive.jobEvents(jobs[0] ?? '', 0, 10))).toEqual([1])
  })

  test("a job's lines are read on from a number", async () => {
    await archive.append(
      [1, 2, 3, 4, 5].map((seq) => anEvent({ seq })),
      'p',
    )
    expect(numbers(await archive.jobEvents(jobs[0] ?? '', 2, 2))).toEqual([3, 4])
    expect(await archive.jobEvents(crypto.randomUUID(), 0, 10)).toEqual([])
  })

  test('every condition narrows, alone and together', async () => {
    const [one = '', two = ''] = jobs
    await archive.append(
      [
        anEvent({ jobId: one, seq: 1, at: 10, client: 'a', type: 'x', blueprint: 'm', data: { worker_id: 'w1' } }),
        anEvent({ jobId: one, seq: 2, at: 20, client: 'a', type: 'y', blueprint: 'm' }),
        anEvent({ jobId: two, seq: 3, at: 30, client: 'b', type: 'x', blueprint: 'n', data: { worker_id: 'w2' } }),
        anEvent({ jobId: two, seq: 4, at: 40, client: 'b', type: 'z', blueprint: 'n', data: { worker_id: 'w1' } }),
      ],
      'p',
    )
    const found = async (query: object) => numbers((await archive.events({ client: null, limit: 10, ...query })).events)
    expect(await found({})).toEqual([4, 3, 2, 1])
    expect(await found({ client: 'a' })).toEqual([2, 1])
    expect(await found({ jobId: two })).toEqual([4, 3])
    expect(await found({ blueprint: 'm' })).toEqual([2, 1])
    expect(await found({ types: ['x', 'z'] })).toEqual([4, 3, 1])
    expect(await found({ types: [] })).toEqual([])
    expect(await found({ worker: 'w1' })).toEqual([4, 1])
    expect(await found({ from: 20, before: 40 })).toEqual([3, 2])
    expect(await found({ client: 'b', types: ['x'], worker: 'w2', from: 30, before: 31 })).toEqual([3])
  })

  test('pages hold every line once, also lines of one instant, also while lines come', async () => {
    const events = jobs.flatMap((jobId) => [1, 2, 3, 4, 5].map((seq) => anEvent({ jobId, seq, at: 50 })))
    await archive.append(events, 'p')
    const seen: string[] = []
    let cursor: string | undefined
    for (let round = 0; ; round += 1) {
      const page = await archive.events({ client: null, limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.events.map((event) => `${event.jobId} ${event.seq}`))
      await archive.append([anEvent({ jobId: crypto.randomUUID(), at: 60 + round })], `p${round}`)
      if (page.cursor === null) break
      cursor = page.cursor
    }
    expect(new Set(seen).size).toBe(20)
    expect(seen).toHaveLength(20)
  })

  test('a cursor that no page gave is refused', async () => {
    await expect(archive.events({ client: null, limit: 1, cursor: "1' OR 1=1" })).rejects.toMatchObject({
      code: 'INVALID_QUERY',
      path: 'query.cursor',
    })
  })

  test('the newest line of each job, of one client or of all', async () => {
    const [one = '', two = '', three = ''] = jobs
    await archive.append(
      [
        anEvent({ jobId: one, seq: 1, at: 10 }),
        anEvent({ jobId: one, seq: 2, at: 40 }),
        anEvent({ jobId: two, seq: 1, at: 20 }),
        anEvent({ jobId: three, seq: 7, at: 30, client: 'b' }),
      ],
      'p',
    )
    const latest = async (query: object) =>
      (await archive.latest({ client: null, limit: 10, offset: 0, ...query })).map((event) => [event.jobId, event.seq])
    expect(await latest({})).toEqual([
      [one, 2],
      [three, 7],
      [two, 1],
    ])
    expect(await latest({ client: 'a' })).toEqual([
      [one, 2],
      [two, 1],
    ])
    expect(await latest({ limit: 1, offset: 1 })).toEqual([[three, 7]])
  })

  test('old lines go in portions, oldest first', async () => {
    await archive.append(
      [10, 20, 30, 40].map((at, index) => anEvent({ seq: index + 1, at })),
      'p',
    )
    expect(await archive.purge(40, 2)).toBe(2)
    expect(numbers(await archive.jobEvents(jobs[0] ?? '', 0, 10))).toEqual([3, 4])
    expect(await archive.purge(40, 10)).toBe(1)
    expect(await archive.purge(40, 10)).toBe(0)
    expect(await archive.archivedUpTo()).toBe(40)
    expect(await archive.position()).toBe('p')
  })

  test.each(['with\0null', 'half \ud83d emoji', "it's", '__proto__', '', 'é👍'])(
    'a client and a state named %j come back as they were',
    async (name) => {
      const event = anEvent({ client: name, state: name, data: { [`key ${name}`]: name } })
      await archive.append([event], 'p')
      const [back] = await archive.jobEvents(event.jobId, 0, 1)
      expect(back).toMatchObject({ client: name, state: name, data: event.data })
    },
  )
})

test('another scheme is refused in words', async () => {
  for (const uri of ['mysql://x/y', 'sqlite://relative.db', 'sqlite:', ''])
    await expect(openArchive(uri, () => {})).rejects.toThrow('sqlite:///')
})
