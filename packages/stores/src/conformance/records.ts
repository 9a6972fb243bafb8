/** Small documents beside the jobs. */
import type { StoredRecord } from '@tutti/engine'
import { expect, test } from 'vitest'
import { aChange, accept, aJob, type Current, here, next } from './subject.ts'

const past = 1_000
const far = 4_000_000_000_000

export const recordsSuite = (current: Current): void => {
  const aRecord = (patch: Partial<StoredRecord> = {}): StoredRecord => ({
    kind: 'note',
    id: 'a',
    owner: null,
    ref: null,
    rev: 1,
    dueAt: null,
    expiresAt: null,
    body: {},
    ...patch,
  })
  const put = async (...records: StoredRecord[]): Promise<void> => {
    expect(await current().store.putRecords(records)).toEqual(records.map(() => true))
  }
  const get = async (id: string, kind = 'note') => (await current().store.getRecords(kind, [id]))[0]

  test('a record is read back as it was stored, in the order asked, with a gap where there is none', async () => {
    const { store } = current()
    const a = aRecord({
      owner: 'o',
      ref: 'r',
      dueAt: far,
      expiresAt: far,
      body: { deep: [{ x: null }], text: 'a\u0000\ud83d' },
    })
    const b = aRecord({ id: 'b' })
    await put(a, b)
    expect(await store.getRecords('note', ['b', 'none', 'a', 'b'])).toEqual([b, undefined, a, b])
    expect(await store.getRecords('other', ['a'])).toEqual([undefined])
    expect(await store.getRecords('note', [])).toEqual([])
    expect(await store.putRecords([])).toEqual([])
  })

  test('a writer who is late is refused, and only he', async () => {
    const { store } = current()
    await put(aRecord(), aRecord({ id: 'b' }))
    const outcomes = await store.putRecords([
      aRecord({ body: { by: 'a second creation' } }),
      aRecord({ id: 'b', rev: 2, body: { by: 'the next' } }),
      aRecord({ id: 'none', rev: 2 }),
      aRecord({ id: 'new' }),
    ])
    expect(outcomes).toEqual([false, true, false, true])
    expect(await store.getRecords('note', ['a', 'b', 'none', 'new'])).toEqual([
      aRecord(),
      aRecord({ id: 'b', rev: 2, body: { by: 'the next' } }),
      undefined,
      aRecord({ id: 'new' }),
    ])
    expect(await store.putRecords([aRecord({ id: 'b', rev: 2 }), aRecord({ id: 'b', rev: 4 })])).toEqual([false, false])
  })

  test('one id of two kinds is two records', async () => {
    await put(aRecord({ body: { of: 'note' } }), aRecord({ kind: 'other', body: { of: 'other' } }))
    expect((await get('a'))?.body).toEqual({ of: 'note' })
    expect((await get('a', 'other'))?.body).toEqual({ of: 'other' })
  })

  test('many writers of one revision, over two clients: exactly one wins', async () => {
    const clients = [current().store, await current().second()]
    for (let rev = 1; rev <= 5; rev += 1) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, by) => clients[by % 2]?.putRecords([aRecord({ rev, body: { by } })])),
      )
      const winners = outcomes.flatMap((outcome, by) => (outcome?.[0] ? [by] : []))
      expect(winners).toHaveLength(1)
      expect((await get('a'))?.body).toEqual({ by: winners[0] })
    }
  })

  test('batches of the same records in opposite orders do not wait for each other for ever', async () => {
    const clients = [current().store, await current().second()] as const
    for (let rev = 1; rev <= 8; rev += 1) {
      const batch = Array.from({ length: 30 }, (_, at) => aRecord({ id: `r${at}`, rev }))
      const [forwards, backwards] = await Promise.all([
        clients[0].putRecords(batch),
        clients[1].putRecords([...batch].reverse()),
      ])
      backwards.reverse()
      expect(forwards.every((taken, at) => taken !== backwards[at])).toBe(true)
    }
  })

  test('they are listed by kind, owner and ref, in the order of their ids, page by page, either way round', async () => {
    const { store } = current()
    // A capital comes before a small letter, and no letter is passed over: by code unit, whatever language the server speaks.
    const ids = ['B', 'a', 'a-1', 'a1', 'b', 'é']
    await put(
      ...ids.map((id, at) => aRecord({ id, owner: at % 2 ? 'odd' : 'even', ref: at < 2 ? 'first' : null })),
      aRecord({ kind: 'other', id: 'a2' }),
    )
    const list = async (query: Partial<Parameters<typeof store.listRecords>[0]>) =>
      (await store.listRecords({ kind: 'note', limit: 100, ...query })).map(({ id }) => id)
    expect(await list({})).toEqual(ids)
    expect(await list({ newest: true })).toEqual([...ids].reverse())
    expect(await list({ owner: null, limit: 2 })).toEqual(['B', 'a'])
    expect(await list({ limit: 2, after: 'a' })).toEqual(['a-1', 'a1'])
    expect(await list({ limit: 2, after: 'a', newest: true })).toEqual(['B'])
    expect(await list({ after: 'aa' })).toEqual(['b', 'é'])
    expect(await list({ owner: 'odd' })).toEqual(['a', 'a1', 'é'])
    expect(await list({ ref: 'first' })).toEqual(['B', 'a'])
    expect(await list({ ref: 'first', owner: 'odd' })).toEqual(['a'])
    expect(await list({ ref: 'none' })).toEqual([])
    expect(await list({ kind: 'none' })).toEqual([])
  })

  test('a record that has expired counts as gone: for readers, for writers and for the clock', async () => {
    const { store } = current()
    await put(aRecord({ expiresAt: past, dueAt: past }), aRecord({ id: 'b', expiresAt: far }))
    expect(await store.getRecords('note', ['a', 'b'])).toEqual([undefined, aRecord({ id: 'b', expiresAt: far })])
    expect((await store.listRecords({ kind: 'note', limit: 9 })).map(({ id }) => id)).toEqual(['b'])
    expect(await store.leaseRecords({ kind: 'note', limit: 9, leaseMs: 0 })).toEqual([])
    expect(await store.nextDue(here, ['note'])).toBeNull()
    expect(await store.putRecords([aRecord({ rev: 2 })])).toEqual([false])
    await put(aRecord({ body: { begun: 'anew' } }))
    expect(await get('a')).toEqual(aRecord({ body: { begun: 'anew' } }))
  })

  test('a record is dropped, whatever its revision, and may begin anew', async () => {
    const { store } = current()
    await put(aRecord(), aRecord({ id: 'b' }), aRecord({ kind: 'other' }))
    await store.dropRecords('note', ['a', 'none'])
    expect(await store.getRecords('note', ['a', 'b'])).toEqual([undefined, aRecord({ id: 'b' })])
    expect(await get('a', 'other')).toBeDefined()
    await put(aRecord())
  })

  test('due records are leased: the longest due first, at most so many, each to one, as a revision of its own', async () => {
    const { store } = current()
    await put(
      aRecord({ id: 'second', dueAt: 20, body: { kept: true } }),
      aRecord({ id: 'first', dueAt: 10 }),
      aRecord({ id: 'later', dueAt: far }),
      aRecord({ id: 'never' }),
      aRecord({ kind: 'other', dueAt: 5 }),
    )
    const take = (limit: number, leaseMs: number) => store.leaseRecords({ kind: 'note', limit, leaseMs })
    expect((await take(1, 60_000)).map(({ id }) => id)).toEqual(['first'])
    const [second, ...others] = await take(9, 0)
    expect(others).toEqual([])
    expect(second).toEqual(aRecord({ id: 'second', rev: 2, dueAt: expect.any(Number) as number, body: { kept: true } }))
    expect(await get('second')).toEqual(second)
    const [again] = await take(9, 60_000)
    expect(again?.rev).toBe(3)
    expect(again?.dueAt).toBeGreaterThan(store.now() + 30_000)
    expect(await take(9, 0)).toEqual([])
    if (!second || !again) throw new Error('the record was due twice')
    // Whoever took it first has been too slow.
    expect(await store.putRecords([{ ...second, rev: second.rev + 1 }])).toEqual([false])
    expect(await store.putRecords([{ ...again, rev: again.rev + 1, dueAt: null }])).toEqual([true])
  })

  test('two clients that look at once share the due records', async () => {
    const clients = [current().store, await current().second()] as const
    await put(...Array.from({ length: 30 }, (_, at) => aRecord({ id: `r${at}`, dueAt: at })))
    const ids: string[] = []
    while (ids.length < 30) {
      const looks = [0, 1, 0, 1].map((at) =>
        clients[at === 0 ? 0 : 1].leaseRecords({ kind: 'note', limit: 5, leaseMs: 60_000 }),
      )
      ids.push(...(await Promise.all(looks)).flat().map(({ id }) => id))
    }
    expect(new Set(ids).size).toBe(30)
  })

  test('what is due next: a record of a kind that is asked for, and of no other', async () => {
    const { store } = current()
    await put(aRecord({ dueAt: far }), aRecord({ kind: 'other', dueAt: far - 5 }))
    expect(await store.nextDue(here, ['note'])).toBe(far)
    expect(await store.nextDue(here, ['note', 'other'])).toBe(far - 5)
    expect(await store.nextDue(here, [])).toBeNull()
  })

  test('the outbox: records come into being with the change, or not at all', async () => {
    const { store } = current()
    const job = aJob()
    const record = aRecord({ body: { by: 'the change' }, dueAt: far })
    await accept(store, aChange(job, { records: [record, aRecord({ kind: 'other' })] }))
    expect(await get('a')).toEqual(record)
    const refused = await store.commit([
      aChange(job, { records: [aRecord({ id: 'leaked' })] }),
      aChange(next(aJob()), { records: [aRecord({ id: 'leaked' })] }),
    ])
    expect(refused.map(({ accepted }) => accepted)).toEqual([false, false])
    expect(await get('leaked')).toBeUndefined()
  })

  test('the outbox: a record that exists is left alone, one that has expired is not there', async () => {
    const { store } = current()
    const grown = aRecord({ rev: 2, body: { by: 'itself' } })
    await put(aRecord(), aRecord({ id: 'old', expiresAt: past }))
    await put(grown)
    const [first, second] = [aJob(), aJob()]
    const outbox = (by: string) => [
      aRecord({ body: { by } }),
      aRecord({ id: 'old' }),
      aRecord({ id: 'new', body: { by } }),
    ]
    await accept(
      store,
      aChange(first, { records: outbox('one change') }),
      aChange(second, { records: outbox('another') }),
    )
    expect(await get('a')).toEqual(grown)
    expect(await get('old')).toEqual(aRecord({ id: 'old' }))
    expect((await get('new'))?.rev).toBe(1)
  })

  test('two clients whose changes bring the same records do not wait for each other for ever', async () => {
    const clients = [current().store, await current().second()] as const
    for (let round = 0; round < 8; round += 1) {
      const records = Array.from({ length: 20 }, (_, at) => aRecord({ id: `${round}-${at}` }))
      await Promise.all([
        accept(clients[0], aChange(aJob(), { records })),
        accept(clients[1], aChange(aJob(), { records: [...records].reverse() })),
      ])
    }
    expect(await current().store.listRecords({ kind: 'note', limit: 500 })).toHaveLength(160)
  })
}
