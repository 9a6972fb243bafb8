/** Turns that a provider's limit holds up: they sleep, and go on by themselves. */
import type { ClaimedRun } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, type Stage, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const jobOf = (run: ClaimedRun) => stage.engine.job(run.job_id, null)

test('rate-limited-turn-sleeps-and-goes-on', async () => {
  await stage.send('slow down')
  const run = await stage.claim()
  const until = Date.now() + 30 * 86_400_000
  await stage.workbench.finishRun(
    run.run_id,
    finishOf(run, { outcome: 'parked', park: { reason: 'rate_limit', until } }),
  )
  expect(await jobOf(run)).toMatchObject({ status: 'sleeping' })
  expect(await stage.tryClaim()).toBeNull()
  stage.advance(31 * 86_400_000)
  const next = await stage.claim()
  expect(next).toMatchObject({ run_id: run.run_id, continues: true, answers: [], attempt: 2 })
  await stage.workbench.finishRun(next.run_id, finishOf(next))
})

test('rate-limited-job-says-when-it-goes-on-and-does-so-though-every-process-died-meanwhile', async () => {
  const other = await createStage()
  try {
    await other.send('slow down')
    const run = await other.claim()
    const until = Date.now() + 3_600_000
    const limited = finishOf(run, { outcome: 'parked', park: { reason: 'rate_limit', until } })
    await other.workbench.finishRun(run.run_id, limited)
    const { status, waiting } = await other.engine.job(run.job_id, null)
    expect([status, waiting]).toMatchObject(['sleeping', { kind: 'sleep', until }])
    await other.workbench.stop()
    await other.engine.stop()

    const { workbench } = other.process()
    await other.sweepAll(workbench)
    expect(await other.tryClaim('manager-2', workbench)).toBeNull()
    expect(await workbench.run(user, run.run_id)).toMatchObject({ status: 'waiting' })
    other.advance(3_601_000)
    const next = await other.claim('manager-2', workbench)
    expect(next).toMatchObject({ run_id: run.run_id, continues: true, attempt: 2 })
  } finally {
    await other.close()
  }
})

test('a-cancelled-session-does-not-wake-when-the-rate-limit-is-over', async () => {
  await stage.send('never mind')
  const run = await stage.claim()
  const until = Date.now() + 40 * 86_400_000
  const limited = finishOf(run, { outcome: 'parked', park: { reason: 'rate_limit', until } })
  await stage.workbench.finishRun(run.run_id, limited)
  expect(await stage.workbench.cancelSession(user, run.session_id, { reason: 'enough' })).toMatchObject({
    canceled_runs: 1,
  })
  expect(await jobOf(run)).toMatchObject({ status: 'cancelled' })
  stage.advance(41 * 86_400_000)
  await stage.sweepAll()
  expect(await stage.tryClaim()).toBeNull()
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'canceled', last_error: 'enough' })
  expect(await stage.workbench.session(user, run.session_id)).toMatchObject({ status: 'canceled' })
})
