/** Coming in under a quota or a key, and going out for good. */
import { expect, test } from 'vitest'
import type { StoredRecord } from '../src/index.ts'
import { answer, create, createFleet, single, takeOne } from './fleet.ts'

const quotaOf = (capacity: number, until: number) => ({ quota: { key: 'client/month', capacity, until } })
const far = Date.UTC(2040, 0, 1)

test('what a quota does not hold is refused whole, with the instant from which on it is full again', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const spec = { blueprint: 'single', input: {}, client: 'client', ...quotaOf(3, far) }
  await engine.create([spec, spec])
  await expect(engine.create([spec, spec])).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', status: 429, retryAt: far })
  expect((await engine.jobs({ client: null, limit: 9 })).jobs).toHaveLength(2)
  await engine.create([spec])
  await expect(engine.create([spec])).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

test('of two budgets the one that was granted is given back when the other refuses', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const spec = (key: string, capacity: number) => ({
    blueprint: 'single',
    input: {},
    client: 'client',
    quota: { key, capacity, until: far },
  })
  await expect(engine.create([spec('large', 1), spec('small', 0)])).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect(await engine.create([spec('large', 1)])).toHaveLength(1)
})

test('input that is refused, and a repetition, cost nothing; a repetition is answered even when nothing is left', async () => {
  const fleet = createFleet([single()])
  const [engine, other] = [fleet.engine(), fleet.engine()]
  const id = crypto.randomUUID()
  const patch = { id, ...quotaOf(2, far) }
  const bad = { blueprint: 'nothing', input: {}, client: 'client', ...quotaOf(2, far) }
  await expect(engine.create([bad])).rejects.toMatchObject({ code: 'BLUEPRINT_NOT_FOUND' })
  const first = await create(engine, 'single', patch)
  expect((await create(other, 'single', patch)).id).toBe(first.id)
  await create(engine, 'single', quotaOf(2, far))
  await expect(create(engine, 'single', quotaOf(2, far))).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect((await create(other, 'single', patch)).createdAt).toBe(first.createdAt)
})

test('a key stands for one request: another one under it is refused, the same one is answered', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const id = crypto.randomUUID()
  await create(engine, 'single', { id, fingerprint: 'a' })
  expect((await create(engine, 'single', { id, fingerprint: 'a' })).id).toBe(id)
  await expect(create(engine, 'single', { id, fingerprint: 'b' })).rejects.toMatchObject({
    code: 'IDEMPOTENCY_CONFLICT',
    status: 422,
  })
  // A stranger learns nothing of it.
  await expect(create(engine, 'single', { id, fingerprint: 'b', client: 'x' })).rejects.toMatchObject({
    code: 'INVALID_BODY',
  })
})

test('a job is removed when it has ended, and not before', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  await expect(engine.remove(id, 'client')).rejects.toMatchObject({ code: 'JOB_RUNNING' })
  await expect(engine.remove(id, 'stranger')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  await answer(engine, await takeOne(engine))
  await engine.remove(id, 'client')
  await expect(engine.job(id, null)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  expect(await engine.events(id, 0, 9)).toEqual([])
})

test('jobs that ended long ago are forgotten; an archive can hold them back, and those that run stay', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ settings: { retentionMs: 3_600_000 } })
  const [old, running] = [await create(engine, 'single'), await create(engine, 'single')]
  await answer(engine, await takeOne(engine))
  const { id } =
    [await engine.job(old.id, null), await engine.job(running.id, null)].find((job) => job.finishedAt !== null) ?? old
  await fleet.time.pass(3_500_000)
  expect((await engine.job(id, null)).status).toBe('finished')
  await fleet.time.pass(300_000)
  await expect(engine.job(id, null)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  expect((await engine.jobs({ client: null, limit: 9 })).jobs).toHaveLength(1)
  expect(fleet.errors).toEqual([])
})

const record = (id: string, dueAt: number): StoredRecord => ({
  kind: 'note',
  id,
  owner: null,
  ref: null,
  rev: 1,
  dueAt,
  expiresAt: null,
  body: { tries: 0 },
})

test('a record that is due is handled on one instance, again after a failure, and goes when it is done', async () => {
  const fleet = createFleet([single()])
  const tries: string[] = []
  const engines = [fleet.engine({ start: false }), fleet.engine({ start: false })]
  for (const [at, engine] of engines.entries())
    engine.onDue('note', async ({ body, ...rest }) => {
      tries.push(`${at}`)
      const count = Number(body.tries) + 1
      if (tries.length === 1) throw new Error('not yet')
      return count < 2 ? { ...rest, rev: rest.rev + 1, dueAt: fleet.time.now() + 1_000, body: { tries: count } } : null
    })
  for (const engine of engines) engine.start()
  await fleet.store.putRecords([record('a', fleet.time.now() + 500)])
  await fleet.time.until(async () => (await fleet.store.getRecords('note', ['a']))[0] === undefined)
  // Thrown once, answered once with a next time, and once with the end.
  expect(tries).toHaveLength(3)
  expect(fleet.errors).toEqual([new Error('not yet')])
  expect(() => engines[0]?.onDue('note', async () => null)).toThrow('already')
})

test('a handler that takes its time holds up neither the clock nor the others', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ start: false })
  const open: (() => void)[] = []
  let done = 0
  engine.onDue('note', async () => {
    await new Promise<void>((resolve) => open.push(resolve))
    done += 1
    return null
  })
  engine.start()
  const ids = Array.from({ length: 60 }, (_, at) => `n-${at}`)
  await fleet.store.putRecords(ids.map((id) => record(id, fleet.time.now())))
  await fleet.time.until(() => open.length === 50)
  const { id } = await create(engine, 'single', { deadlineMs: 1_000 })
  await fleet.time.until(async () => (await engine.job(id, null)).status === 'failed')
  expect([open.length, done]).toEqual([50, 0])
  for (const finish of open.splice(0)) finish()
  await fleet.time.until(() => open.length === 10)
  for (const finish of open.splice(0)) finish()
  await fleet.time.until(() => done === 60)
})

test('a webhook’s delivery comes into being with the end that it tells of', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single', { webhook: { url: 'https://example.test/hook', events: null } })
  await answer(engine, await takeOne(engine), { data: { pages: 3 } })
  const [delivery] = await fleet.store.listRecords({ kind: 'webhook', ref: id, limit: 9 })
  expect(delivery?.body).toMatchObject({
    url: 'https://example.test/hook',
    event: 'job_finished',
    payload: { job_id: id, status: 'finished', result: { pages: 3 } },
  })
})
