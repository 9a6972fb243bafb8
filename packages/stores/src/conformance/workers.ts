import type { WorkerRecord, WorkerTouch } from '@tutti/engine'
import { expect, test, vi } from 'vitest'
import { aChange, accept, aJob, type Current } from './subject.ts'

export const workersSuite = (current: Current): void => {
  const aWorker = (patch: Partial<WorkerRecord> = {}): WorkerRecord => ({
    id: 'worker-1',
    bootId: 'boot-1',
    skills: ['video.render', 'a,b', '"quoted"'],
    info: { gpu: { vram: 24 }, note: 'null \u0000 byte' },
    registeredAt: 1,
    lastSeenAt: 2,
    expiresAt: current().store.now() + 3_600_000,
    ...patch,
  })

  test('a worker is read back as it was stored', async () => {
    const { store } = current()
    const worker = aWorker()
    expect(await store.putWorker(worker)).toBeUndefined()
    expect(await store.worker('worker-1')).toEqual(worker)
    const other = aWorker({ id: 'worker-0', bootId: null, skills: [], info: {} })
    await store.putWorker(other)
    expect((await store.workers()).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([other, worker])
    expect(await store.worker('never-seen')).toBeUndefined()
  })

  test('storing again answers the record that was there', async () => {
    const { store } = current()
    const before = aWorker()
    await store.putWorker(before)
    const after = aWorker({ bootId: 'boot-2', skills: ['other'], registeredAt: 9 })
    expect(await store.putWorker(after)).toEqual(before)
    expect(await store.worker('worker-1')).toEqual(after)
    expect(await store.workers()).toEqual([after])
  })

  test('a worker without a sign of life is not listed, and is still known to its next start', async () => {
    const { store } = current()
    const gone = aWorker({ expiresAt: store.now() - 60_000 })
    await store.putWorker(gone)
    expect(await store.worker('worker-1')).toBeUndefined()
    expect(await store.workers()).toEqual([])
    expect(await store.putWorker(aWorker({ bootId: 'boot-2' }))).toEqual(gone)
    expect(await store.workers()).toHaveLength(1)
  })

  const touch = (patch: Partial<WorkerTouch> = {}): WorkerTouch => ({
    id: 'worker-1',
    info: {},
    lastSeenAt: 5,
    expiresAt: current().store.now() + 7_200_000,
    ...patch,
  })

  test('a sign of life prolongs the listing and lays what it tells over what was told before', async () => {
    const { store } = current()
    const worker = aWorker({ info: { load: 1, gpu: { vram: 24 }, note: '\u0000' } })
    await store.putWorker(worker)
    const ping = touch()
    const pinged = { ...worker, lastSeenAt: 5, expiresAt: ping.expiresAt }
    expect(await store.touchWorker(ping)).toEqual(pinged)
    expect(await store.worker('worker-1')).toEqual(pinged)
    const told = touch({ info: { load: 2, gpu: {}, fresh: '\ud83d' }, skills: ['other'], lastSeenAt: 6 })
    const expected = {
      ...pinged,
      skills: ['other'],
      lastSeenAt: 6,
      expiresAt: told.expiresAt,
      info: { load: 2, gpu: {}, note: '\u0000', fresh: '\ud83d' },
    }
    expect(await store.touchWorker(told)).toEqual(expected)
    expect(await store.worker('worker-1')).toEqual(expected)
  })

  test('a sign of life brings back nobody who has gone', async () => {
    const { store } = current()
    expect(await store.touchWorker(touch())).toBeUndefined()
    await store.putWorker(aWorker({ expiresAt: 1_000 }))
    expect(await store.touchWorker(touch())).toBeUndefined()
    expect(await store.touchWorker(touch({ info: { load: 1 } }))).toBeUndefined()
    expect(await store.workers()).toEqual([])
    await store.putWorker(aWorker())
    await store.removeWorker('worker-1')
    await store.removeWorker('never-seen')
    expect(await store.touchWorker(touch())).toBeUndefined()
    expect(await store.worker('worker-1')).toBeUndefined()
    expect(await store.putWorker(aWorker())).toBeUndefined()
  })

  test('a heartbeat that is late undoes no registration, nor shortens the listing', async () => {
    const clients = [current().store, await current().second()] as const
    const { store } = current()
    for (let round = 0; round < 10; round += 1) {
      await store.putWorker(aWorker({ bootId: 'old', skills: ['old'] }))
      const fresh = aWorker({ bootId: `boot-${round}`, skills: ['new'], registeredAt: 9 })
      await Promise.all([
        ...[1, 2, 3].map((load) => clients[1].touchWorker(touch({ info: { load }, lastSeenAt: 1, expiresAt: 2_000 }))),
        clients[0].putWorker(fresh),
        clients[1].touchWorker(touch({ lastSeenAt: 1, expiresAt: 2_000 })),
      ])
      expect(await store.worker('worker-1')).toMatchObject({
        bootId: `boot-${round}`,
        skills: ['new'],
        registeredAt: 9,
        lastSeenAt: 2,
        expiresAt: fresh.expiresAt,
      })
    }
  })

  test('heartbeats that come at once, over two clients: nothing that one told is lost', async () => {
    const clients = [current().store, await current().second()]
    await clients[0]?.putWorker(aWorker({ info: {} }))
    await Promise.all(
      Array.from({ length: 16 }, (_, at) => clients[at % 2]?.touchWorker(touch({ info: { [`fact-${at}`]: at } }))),
    )
    const worker = await clients[0]?.worker('worker-1')
    expect(Object.keys(worker?.info ?? {})).toHaveLength(16)
  })

  test('workers that come, go, or tell something new are news; a mere sign of life is none', async () => {
    const { store } = current()
    const heard: string[] = []
    const jobs: string[] = []
    const stop = (await current().second()).subscribe((news) => {
      heard.push(...(news.workers ?? []))
      jobs.push(...(news.jobs ?? []))
    })
    const flush = async (): Promise<void> => {
      const marker = aJob()
      await accept(store, aChange(marker))
      await vi.waitFor(() => expect(jobs).toContain(marker.id), { timeout: 10_000, interval: 5 })
    }
    const name = 'w\u0000'
    await store.putWorker(aWorker({ id: name, info: { load: 1 }, skills: ['a'] }))
    await flush()
    expect(heard).toEqual([name])
    await store.touchWorker(touch({ id: name }))
    await store.touchWorker(touch({ id: name, info: { load: 1 }, skills: ['a'] }))
    await flush()
    expect(heard).toEqual([name])
    await store.touchWorker(touch({ id: name, info: { load: 2 } }))
    await store.touchWorker(touch({ id: name, skills: ['b'] }))
    await flush()
    expect(heard).toEqual([name, name, name])
    await store.removeWorker(name)
    await store.removeWorker('never-seen')
    await flush()
    expect(heard).toHaveLength(4)
    stop()
  })
}
