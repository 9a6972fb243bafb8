/** Approvals: one decision counts, in time. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { type Blueprint, blueprint, type Engine } from '../src/index.ts'
import { create, createFleet, single } from './fleet.ts'

const approved = (timeout?: '1h'): Blueprint =>
  blueprint({ name: 'approved' })
    .state('ask', { start: true, to: ['done', 'refused', 'late'] }, ({ approval }) =>
      approval({
        message: 'well?',
        on: { approved: 'done', rejected: 'refused', ...(timeout ? { timeout: 'late' as const } : {}) },
        ...(timeout ? { timeout } : {}),
      }),
    )
    .end('done', ({ last }) => last?.data)
    .end('refused', { outcome: 'failed' })
    .end('late', ({ last }) => last?.status)

test('a decision is taken once, the wrong ones are told what is right', async () => {
  const fleet = createFleet([approved('1h')])
  const engine = fleet.engine()
  const { id } = await create(engine, 'approved')
  const decide = (decision: string) => engine.approve(id, 'client', { decision, by: 'me', comment: 'fine' })
  for (const wrong of ['maybe', 'timeout', 'constructor'])
    await expect(decide(wrong)).rejects.toMatchObject({
      code: 'INVALID_DECISION',
      message: 'Invalid decision for this job; it takes approved, rejected',
    })
  const settled = await Promise.allSettled([decide('approved'), decide('rejected'), decide('approved')])
  expect(settled.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
  expect(await engine.job(id, null)).toMatchObject({
    status: 'finished',
    output: { decision: 'approved', by: 'me', comment: 'fine' },
  })
  await expect(decide('approved')).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('two people decide at once on two instances: one is heard, the other is told that it is over', async () => {
  const fleet = createFleet([approved()])
  const engines = [fleet.engine(), fleet.engine()]
  const { id } = await create(engines[0] as Engine, 'approved')
  const settled = await Promise.allSettled(
    engines.map((engine, at) =>
      engine.approve(id, null, { decision: at ? 'approved' : 'rejected', by: `${at}`, comment: null }),
    ),
  )
  expect(settled.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
  const refused = settled.find((each) => each.status === 'rejected')
  expect(refused?.reason).toMatchObject({ code: 'JOB_TERMINAL' })
})

test('a job that waits for no decision says so', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const asked = engine.approve(id, null, { decision: 'approved', by: 'me', comment: null })
  await expect(asked).rejects.toMatchObject({ code: 'JOB_NOT_WAITING' })
})

test('nobody decides in time: the job goes its route for that, and a later decision is told so', async () => {
  const fleet = createFleet([approved('1h')])
  const engine = fleet.engine()
  const { id } = await create(engine, 'approved')
  await fleet.time.pass(3_599_000)
  expect((await engine.job(id, null)).status).toBe('waiting_for_human')
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  expect(await engine.job(id, null)).toMatchObject({ status: 'finished', output: 'timeout' })
  const late = engine.approve(id, null, { decision: 'approved', by: 'me', comment: null })
  await expect(late).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
})
