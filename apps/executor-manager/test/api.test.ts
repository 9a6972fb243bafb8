/** The manager's own API, over HTTP, against a real manager. */
import { executorCancelled, executorLoad, pullSchedules, pullTriggered } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Manager } from '../src/app.ts'
import { eventsOf } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const token = 'token-of-the-manager'

interface Answer {
  status: number
  code: number
  data: Record<string, unknown>
}

const call = async (manager: Manager, path: string, init: RequestInit = {}, offered: string | null = token) => {
  const response = await fetch(`http://127.0.0.1:${manager.port()}${path}`, {
    ...init,
    headers: {
      ...(offered === null ? {} : { 'x-internal-token': offered }),
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
  })
  return { status: response.status, ...((await response.json()) as object) } as Answer
}
const post = (manager: Manager, path: string, body: unknown, offered?: string | null) =>
  call(manager, path, { method: 'POST', body: JSON.stringify(body) }, offered)

it('everything-but-health-is-closed-to-who-has-not-the-token', async () => {
  const manager = await stage.start()
  expect(await call(manager, '/health', {}, null)).toMatchObject({ status: 200, code: 0, data: { status: 'ok' } })
  const session_id = '0c9d7b1e-52a4-4f0b-8e36-7a1f20c4d902'
  for (const offered of [null, '', 'token-of-the-manager2', token.toUpperCase()]) {
    const answers = [
      await call(manager, '/api/v1/schedules', {}, offered),
      await call(manager, '/api/v1/executor/load', {}, offered),
      await post(manager, '/api/v1/executor/cancel', { session_id }, offered),
      await post(manager, '/api/v1/internal/pull/trigger', {}, offered),
      // What is not there, a body that is no JSON, and a body that is too long: none tells a stranger anything.
      await call(manager, '/api/v1/workspace/secrets', {}, offered),
      await call(manager, '/api/v1/executor/cancel', { method: 'POST', body: '{' }, offered),
      await post(manager, '/api/v1/executor/cancel', { reason: 'x'.repeat(100_000) }, offered),
    ]
    expect(answers.map(({ status, data }) => [status, data.code])).toEqual(answers.map(() => [403, 'FORBIDDEN']))
  }
})

it('schedules-tell-when-their-windows-open-and-close', async () => {
  const now = Date.parse('2026-06-01T03:00:00Z')
  const manager = await stage.start({}, { now: () => now })
  const { data, code } = await call(manager, '/api/v1/schedules')
  expect(code).toBe(0)
  expect(pullSchedules.parse(data)).toMatchObject({
    enabled: true,
    rules: [
      { id: 'immediate', kind: 'interval', open: true, jobs: [{ job_id: 'pull-immediate', next_run_time: null }] },
      { id: 'scheduled', open: true },
      {
        ...{ id: 'nightly', kind: 'window', open: true, cron: { hour: 2, minute: 0 }, timezone: 'UTC' },
        ...{ window_minutes: 360, closes_at: '2026-06-01T08:00:00.000Z' },
        jobs: [
          {
            job_id: 'pull-nightly-open',
            trigger: 'cron hour=2 minute=0 (UTC)',
            next_run_time: '2026-06-02T02:00:00.000Z',
          },
        ],
      },
    ],
  })
})

it('a-session-that-is-cancelled-here-ends-and-its-sandbox-with-it', async () => {
  const manager = await stage.start()
  const run = stage.backend.offer({ prompt: script([bash('sleep 600')]) })
  await stage.backend.until(() => eventsOf(run, 'tool_call').length === 1)
  const { session_id } = run.claimed
  expect(executorLoad.parse((await call(manager, '/api/v1/executor/load')).data)).toMatchObject({
    ...{ worker_id: 'test-host', running: 1, capacity: 2, sessions: [session_id], sandbox: 'bubblewrap' },
  })
  const { data } = await post(manager, '/api/v1/executor/cancel', { session_id, reason: 'an operator' })
  expect(executorCancelled.parse(data)).toMatchObject({ stop_status: 'stopped', matched_container_count: 1 })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'canceled' })
  const again = await post(manager, '/api/v1/executor/cancel', { session_id })
  expect(again.data).toMatchObject({ stop_status: 'not_found', stopped_container_count: 0 })
  await vi.waitFor(async () =>
    expect((await call(manager, '/api/v1/executor/load')).data).toMatchObject({ running: 0, sessions: [] }),
  )
})

it('a-pull-is-accepted-where-runs-are-taken-and-refused-where-not', async () => {
  const manager = await stage.start()
  const request = { schedule_modes: ['nightly'], reason: 'tonight is now' }
  expect(pullTriggered.parse((await post(manager, '/api/v1/internal/pull/trigger', request)).data)).toEqual({
    ...{ accepted: true, schedule_modes: ['nightly'], reason: 'tonight is now' },
  })
  const bare = await call(manager, '/api/v1/internal/pull/trigger', { method: 'POST' })
  expect(bare.data.accepted).toBe(true)
  expect(bare.data.schedule_modes).toContain('immediate')
  const idle = await stage.start({ config: { ...stage.config, taskPullEnabled: false, workerId: 'idle' } })
  expect((await post(idle, '/api/v1/internal/pull/trigger', request)).data).toMatchObject({ accepted: false })
})

it('bad-input-is-told-with-its-place', async () => {
  const manager = await stage.start()
  expect(await post(manager, '/api/v1/executor/cancel', { session_id: '../x' })).toMatchObject({
    ...{ status: 400, code: 40000, data: { code: 'INVALID_BODY', path: 'body.session_id' } },
  })
  expect(await post(manager, '/api/v1/internal/pull/trigger', { schedule_modes: ['At Night'] })).toMatchObject({
    ...{ status: 400, data: { path: 'body.schedule_modes.0' } },
  })
  expect(await call(manager, '/api/v1/executor/cancel', { method: 'POST', body: '{' })).toMatchObject({ status: 400 })
  expect(await post(manager, '/api/v1/executor/cancel', { reason: 'x'.repeat(100_000) })).toMatchObject({ status: 413 })
  expect(await call(manager, '/api/v1/nothing')).toMatchObject({ status: 404, data: { code: 'NOT_FOUND' } })
})
