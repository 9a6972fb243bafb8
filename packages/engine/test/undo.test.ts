/** Undoing, through a blueprint: what was done is taken back, newest first, and then the job ends as it was to. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { blueprint } from '../src/index.ts'
import { answer, create, createFleet, failure, logOf, takeOne } from './fleet.ts'

const order = blueprint({ name: 'order' })
  .state('charge', { start: true, to: ['ship'], undo: 'refund' }, ({ dispatch }) =>
    dispatch('charge', {}, { on: { success: 'ship' } }),
  )
  .state('ship', { to: ['sent'], undo: 'recall' }, ({ dispatch }) =>
    dispatch('ship', {}, { on: { success: 'sent' }, retry: { attempts: 1 } }),
  )
  .state('sent', { to: ['done'] }, ({ approval }) => approval({ message: 'arrived?', on: { yes: 'done' } }))
  .undo(
    'refund',
    ({ dispatch, ending }) =>
      dispatch('refund', { why: ending?.status }, { on: { success: 'refunded' }, retry: { attempts: 1 } }),
    { to: ['refunded'] },
  )
  .undo('refunded', ({ undone }) => undone())
  .undo('recall', ({ undone }) => undone())
  .end('done')

const work = (skill: string) => ({ skills: [skill] })

test('shipping fails: the charge is refunded, and only that', async () => {
  const fleet = createFleet([order])
  const engine = fleet.engine()
  const { id } = await create(engine, 'order')
  await answer(engine, await takeOne(engine, work('charge')), { data: { receipt: 7 } })
  await answer(engine, await takeOne(engine, work('ship')), failure('PERMANENT_ERROR'))
  expect(await engine.job(id, null)).toMatchObject({ status: 'waiting_for_worker', state: 'refund' })
  await expect(engine.cancel(id, null, 'me', null)).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
  const refund = await takeOne(engine, work('refund'))
  expect(refund.task.params).toEqual({ why: 'quarantined' })
  await answer(engine, refund)
  const job = await engine.job(id, null)
  expect(job).toMatchObject({ status: 'quarantined', error: { code: 'PERMANENT_ERROR' }, data: { receipt: 7 } })
  // Again from where it failed, and not from where it was undone.
  expect((await engine.fork(id, null, { by: 'me' })).state).toBe('ship')
})

test('cancelled late: everything is undone, and a refund that fails is told beside it', async () => {
  const fleet = createFleet([order])
  const engine = fleet.engine()
  const { id } = await create(engine, 'order')
  await answer(engine, await takeOne(engine, work('charge')))
  await answer(engine, await takeOne(engine, work('ship')))
  await engine.cancel(id, null, 'me', 'enough')
  await answer(engine, await takeOne(engine, work('refund')), failure('PERMANENT_ERROR', 'bank is closed'))
  const job = await engine.job(id, null)
  expect(isTerminal(job.status)).toBe(true)
  expect(job).toMatchObject({ status: 'quarantined', error: { code: 'UNDO_FAILED' } })
  expect(job.error?.message).toMatch(/bank is closed.*cancelled: enough/)
  expect(await logOf(engine, job)).toContain('compensation_started')
})
