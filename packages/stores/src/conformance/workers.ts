import type { WorkerRecord } from '@tutti/engine'
import { expect, test } from 'vitest'
import type { Current } from './subject.ts'

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
}
