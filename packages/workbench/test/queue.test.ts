import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, type Stage, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const finish = async (runId: string): Promise<void> => {
  const run = await stage.claim()
  expect(run.run_id).toBe(runId)
  await stage.workbench.finishRun(run.run_id, finishOf(run))
}

test('two-clients-send-at-once-one-begins-the-other-waits', async () => {
  const { session_id, run_id } = await stage.send('begin')
  await finish(run_id)
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((prompt) =>
      stage.workbench.createTask(user, { prompt, permission_mode: 'default', session_id, client_request_id: prompt }),
    ),
  )
  expect(answers.map((answer) => answer.accepted_type).toSorted()).toEqual(['queued_query', 'queued_query', 'run'])
  // Sent again, each gets the answer it had, and nothing is made twice.
  for (const [at, prompt] of ['a', 'b', 'c'].entries()) {
    const request = { prompt, permission_mode: 'default' as const, session_id, client_request_id: prompt }
    expect(await stage.workbench.createTask(user, request)).toMatchObject({
      accepted_type: answers[at]?.accepted_type,
      run_id: answers[at]?.run_id,
      queue_item_id: answers[at]?.queue_item_id,
      queued_query_count: 2,
    })
  }
  const first = answers.find((answer) => answer.run_id !== null)
  await finish(first?.run_id ?? '')
  for (let turn = 0; turn < 2; turn++) {
    const run = await stage.claim()
    expect(answers.map((answer) => answer.queue_item_id)).toContain(run.run_id)
    await stage.workbench.finishRun(run.run_id, finishOf(run))
  }
  expect((await stage.workbench.session(user, session_id)).queued_query_count).toBe(0)
  expect(await stage.tryClaim()).toBeNull()
  expect(await stage.workbench.runs(user, session_id, { limit: 10, offset: 0 })).toHaveLength(4)
})

test('session-with-a-waiting-message-never-says-that-it-has-come-to-rest', async () => {
  const { session_id, run_id } = await stage.send('one')
  const second = await stage.send('two', { session_id })
  await finish(run_id)
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ status: 'pending', queued_query_count: 0 })
  await finish(second.run_id)
  const statuses = (await stage.frames(session_id)).filter(({ type }) => type === 'session.status')
  expect(statuses.filter(({ data }) => data.status === 'completed')).toHaveLength(1)
  expect(statuses.at(-1)?.data).toMatchObject({ status: 'completed', run_id: second.run_id })
})

test('item-edited-while-it-is-promoted-is-sent-as-edited-or-refused', async () => {
  for (let round = 0; round < 5; round++) {
    const { session_id } = await stage.send('first')
    const waiting = await stage.send('draft', { session_id })
    const run = await stage.claim()
    const [, edited] = await Promise.allSettled([
      stage.workbench.finishRun(run.run_id, finishOf(run)),
      stage.workbench.patchQueueItem(user, session_id, waiting.run_id, { prompt: 'edited' }),
    ])
    const next = await stage.claim()
    expect(next.prompt).toBe(edited?.status === 'fulfilled' ? 'edited' : 'draft')
    if (edited?.status === 'rejected') expect(edited.reason).toMatchObject({ code: 'QUEUE_ITEM_GONE' })
    await stage.workbench.finishRun(next.run_id, finishOf(next))
  }
})

test('send-now-goes-first-and-deleted-ones-never', async () => {
  const { session_id, run_id } = await stage.send('0')
  const [one, two, three] = [
    await stage.send('1', { session_id }),
    await stage.send('2', { session_id }),
    await stage.send('3', { session_id }),
  ]
  expect(await stage.workbench.sendQueueItem(user, session_id, three.run_id)).toMatchObject({
    accepted_type: 'queued_query',
    status: 'queued',
    queued_query_count: 3,
  })
  expect(await stage.workbench.deleteQueueItem(user, session_id, one.run_id)).toMatchObject({ status: 'canceled' })
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ next_queued_query_preview: '3' })
  for (const expected of [run_id, three.run_id, two.run_id]) await finish(expected)
  expect(await stage.tryClaim()).toBeNull()
})

test('configuration-follows-the-messages-in-their-order', async () => {
  await stage.database.query(
    `insert into workbench.uploads (key, user_id, name, content_type, size) values ('attachments/default/1/f', $1, 'f', 'x/y', 1)`,
    [user],
  )
  const { session_id, run_id } = await stage.send('0', {
    config: { model: 'm-1', budget: { tokens: 9 }, input_files: [{ name: 'f', source: 'attachments/default/1/f' }] },
  })
  const second = await stage.send('1', { session_id, config: { model: 'm-2', budget: { cost_usd: 2 } } })
  const third = await stage.send('2', { session_id, config: { model: null } })
  // The message under way keeps what it was given.
  const run = await stage.claim()
  expect(run.config).toMatchObject({ model: 'm-1', budget: { tokens: 9 }, input_files: [{ name: 'f' }] })
  await stage.workbench.finishRun(run_id, finishOf(run))
  const next = await stage.claim()
  expect([next.run_id, next.config]).toEqual([second.run_id, { model: 'm-2', budget: { tokens: 9, cost_usd: 2 } }])
  await stage.workbench.finishRun(next.run_id, finishOf(next))
  const last = await stage.claim()
  expect([last.run_id, last.config]).toEqual([third.run_id, { budget: { tokens: 9, cost_usd: 2 } }])
  await stage.workbench.finishRun(last.run_id, finishOf(last))
  expect((await stage.workbench.session(user, session_id)).config_snapshot).toEqual({
    budget: { tokens: 9, cost_usd: 2 },
  })
})

test('scheduled-run-waits-for-its-instant-and-blocks-nobody', async () => {
  const at = new Date(Date.now() + 3_600_000)
  const { session_id, run_id } = await stage.send('later', {
    schedule_mode: 'scheduled',
    scheduled_at: at.toISOString(),
  })
  expect(await stage.workbench.run(user, run_id)).toMatchObject({
    schedule_mode: 'scheduled',
    scheduled_at: at.toISOString(),
  })
  expect(await stage.tryClaim()).toBeNull()
  const now = await stage.send('now', { session_id })
  await finish(now.run_id)
  stage.advance(3_700_000)
  await finish(run_id)
})

test.each([
  [{ schedule_mode: 'scheduled' }, 'body.scheduled_at'],
  [{ schedule_mode: 'nightly', scheduled_at: '2030-01-01T00:00:00Z' }, 'body.scheduled_at'],
  [{ scheduled_at: 'tomorrow' }, 'body.scheduled_at'],
  [{ scheduled_at: '2030-01-01T00:00:00', timezone: 'Europe/Nowhere' }, 'body.timezone'],
])('schedule-that-can-not-be-is-refused: %j', async (fields, path) => {
  await expect(stage.send('x', fields)).rejects.toMatchObject({ code: 'INVALID_BODY', path })
})

test('naive-instant-is-read-in-its-time-zone', async () => {
  const { session_id, run_id } = await stage.send('x', {
    scheduled_at: '2099-07-01T09:00:00',
    timezone: 'Europe/Vienna',
  })
  expect(await stage.workbench.run(user, run_id)).toMatchObject({
    schedule_mode: 'scheduled',
    scheduled_at: '2099-07-01T07:00:00.000Z',
  })
  await stage.workbench.deleteSession(user, session_id)
  await expect(stage.workbench.session(user, session_id)).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' })
  await expect(stage.workbench.run(user, run_id)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'cancelled' })
})
