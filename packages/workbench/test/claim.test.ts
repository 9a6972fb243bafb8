import { AGENT_SKILL, type AgentEvent } from '@tutti/contracts'
import { blueprint, task } from '@tutti/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, said, user } from './support/stage.ts'

let stage: Stage

const asking = blueprint({ name: 'asking' })
  .state('ask', { start: true, to: ['end'] }, ({ agent }) =>
    agent({ prompt: 'count the files', on: { success: 'end' } }),
  )
  .end('end', ({ last }) => last?.data)

const judging = blueprint({ name: 'judging' })
  .state('ask', { start: true, to: ['end'] }, ({ parallel }) =>
    parallel(
      ['a', 'b'].map((prompt) => task(AGENT_SKILL, { prompt })),
      { into: 'end' },
    ),
  )
  .end('end', ({ results }) => results.map((result) => (result as { text: string }).text))

const forging = blueprint({ name: 'forging' })
  .state('ask', { start: true, to: ['end'] }, ({ input, dispatch }) =>
    dispatch(AGENT_SKILL, input, { on: { success: 'end' } }),
  )
  .end('end')

beforeAll(async () => {
  stage = await createStage([asking, judging, forging])
})
afterAll(() => stage.close())

test('claim-is-exclusive-per-session', async () => {
  const { session_id, run_id } = await stage.send('first')
  const { run_id: second } = await stage.send('second', { session_id })
  const claims = await Promise.all(['manager-1', 'manager-2', 'manager-3'].map((worker) => stage.tryClaim(worker)))
  const got = claims.filter((claim) => claim !== null)
  expect(got.map((claim) => claim.run_id)).toEqual([run_id])
  const [first] = got
  if (!first) throw new Error('unreachable')
  const holderId = ['manager-1', 'manager-2', 'manager-3'][claims.indexOf(first)] ?? ''
  await stage.workbench.finishRun(run_id, finishOf(first, {}, holderId))
  const next = await stage.claim()
  expect(next.run_id).toBe(second)
  await stage.workbench.finishRun(second, finishOf(next))
})

test('a-session-remembers-the-runtimes-session-for-the-next-turn', async () => {
  const { session_id } = await stage.send('first', { config: { model: 'm-1' } })
  const first = await stage.claim()
  expect(first.sdk_session_id).toBeNull()
  await stage.workbench.storeEvents(first.run_id, {
    ...holder(first),
    attempt: 1,
    events: numbered([{ type: 'started', agent_session_id: 'sdk-1', model: 'm-1', tools: [] }]),
  })
  await stage.workbench.finishRun(first.run_id, finishOf(first))
  await stage.send('second', { session_id, config: { max_turns: 3 } })
  const second = await stage.claim()
  expect(second).toMatchObject({ sdk_session_id: 'sdk-1', config: { model: 'm-1', max_turns: 3 } })
  await stage.workbench.finishRun(second.run_id, finishOf(second))
})

test('late-attempt-is-fenced', async () => {
  const { run_id, session_id } = await stage.send('slow')
  const first = await stage.claim('manager-1')
  await stage.workbench.storeEvents(run_id, {
    ...holder(first),
    attempt: 1,
    events: numbered([
      said('working'),
      { type: 'tool_call', tool_use_id: 't1', name: 'Bash', input: {}, parent_tool_use_id: null },
    ]),
  })
  await stage.loseLease(run_id)
  const second = await stage.claim('manager-2')
  expect(second).toMatchObject({ run_id, attempt: 2 })

  const late = { ...holder(first), attempt: 1, events: numbered([said('late')], 3) }
  await expect(stage.workbench.storeEvents(run_id, late)).rejects.toMatchObject({ code: 'LEASE_LOST' })
  await expect(stage.workbench.finishRun(run_id, finishOf(first))).rejects.toMatchObject({ code: 'LEASE_LOST' })
  await expect(stage.workbench.startRun(run_id, { ...holder(first), model: 'm', sandbox: 's' })).rejects.toMatchObject({
    code: 'LEASE_LOST',
  })
  expect(
    await stage.workbench.renewRun(run_id, { ...holder(first), lease_seconds: 60, wait_seconds: 0, commands_after: 0 }),
  ).toEqual({
    held: false,
    cancel: true,
    commands: [],
  })

  expect(await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })).toMatchObject([
    { tool_use_id: 't1', is_error: true, tool_output: 'interrupted' },
  ])
  const attempts = (await stage.frames(session_id)).filter((frame) => frame.type === 'run.attempt')
  expect(attempts.map((frame) => frame.data)).toEqual([{ run_id, attempt: 2, error: null }])

  await stage.workbench.storeEvents(run_id, {
    ...holder(second, 'manager-2'),
    attempt: 2,
    events: numbered([said('again')]),
  })
  await stage.workbench.finishRun(run_id, finishOf(second, {}, 'manager-2'))
  expect((await stage.engine.job(run_id, null)).status).toBe('finished')
})

test('renewal-keeps-the-lease-and-a-restarted-manager-gives-it-up-at-once', async () => {
  const { run_id } = await stage.send('long')
  const first = await stage.claim('manager-1')
  for (let i = 0; i < 3; i++) {
    stage.advance(40_000)
    expect(
      await stage.workbench.renewRun(run_id, {
        ...holder(first),
        lease_seconds: 60,
        wait_seconds: 0,
        commands_after: 0,
      }),
    ).toEqual({
      held: true,
      cancel: false,
      commands: [],
    })
  }
  const claim = stage.workbench.claim(
    {
      worker_id: 'manager-1',
      boot_id: 'after-the-restart',
      lease_seconds: 60,
      wait_seconds: 30,
      schedule_modes: ['immediate'],
      capacity: 1,
    },
    new AbortController().signal,
  )
  await expect.poll(async () => (await stage.engine.job(run_id, null)).waiting).toMatchObject({ task: { attempt: 2 } })
  stage.advance(10_000)
  const second = await claim
  expect(second).toMatchObject({ run_id, attempt: 2 })
  if (second) await stage.workbench.finishRun(run_id, finishOf(second))
})

test('agent-of-a-blueprint-becomes-a-session-once', async () => {
  const [job] = await stage.engine.create([{ blueprint: 'asking', input: {}, client: 'team-a' }])
  if (!job) throw new Error('unreachable')
  const first = await stage.claim('manager-1')
  expect(first).toMatchObject({ job_id: job.id, user_id: user, prompt: 'count the files', attempt: 1 })
  await stage.loseLease(job.id)
  const second = await stage.claim('manager-2')
  expect(second).toMatchObject({ run_id: first.run_id, session_id: first.session_id, attempt: 2 })
  await stage.workbench.startRun(second.run_id, { ...holder(second, 'manager-2'), model: 'm-1', sandbox: 'test' })
  await stage.workbench.finishRun(second.run_id, finishOf(second, { result: '42' }, 'manager-2'))
  expect(await stage.engine.job(job.id, 'team-a')).toMatchObject({
    status: 'finished',
    output: { text: '42', model: 'm-1', session_id: first.session_id },
  })
  expect(await stage.workbench.session(user, first.session_id)).toMatchObject({ status: 'completed' })
})

test('agents-of-a-fan-out-are-sessions-of-their-own', async () => {
  const [job] = await stage.engine.create([{ blueprint: 'judging', input: {}, client: 'team-a' }])
  if (!job) throw new Error('unreachable')
  const [first, second] = await Promise.all([stage.claim('manager-1'), stage.claim('manager-2')])
  expect(first.session_id).not.toBe(second.session_id)
  await stage.workbench.finishRun(first.run_id, finishOf(first, { result: 'yes' }, 'manager-1'))
  const failure = { outcome: 'failed', error: { code: 'model_error', message: 'no', retryable: true } }
  const queued = await stage.workbench.finishRun(second.run_id, finishOf(second, failure, 'manager-2'))
  expect(queued.status).toBe('queued')
  stage.advance(60_000)
  const again = await stage.claim('manager-1')
  expect(again).toMatchObject({ run_id: second.run_id, attempt: 2 })
  await stage.workbench.finishRun(again.run_id, finishOf(again, { result: 'also' }))
  const { status, output } = await stage.engine.job(job.id, 'team-a')
  expect(status).toBe('finished')
  expect(new Set(output as string[])).toEqual(new Set(['yes', 'also']))
})

test('a-job-can-not-claim-the-run-of-another', async () => {
  const { run_id, session_id } = await stage.send('mine')
  const [forged] = await stage.engine.create([
    { blueprint: 'forging', client: 'stranger', priority: 10, input: { prompt: 'x', run_id, session_id } },
  ])
  const mine = await stage.claim()
  expect(mine).toMatchObject({ run_id, job_id: run_id })
  expect(await stage.engine.job(forged?.id ?? '', null)).toMatchObject({ status: 'failed' })
  await stage.workbench.finishRun(run_id, finishOf(mine))
})

test('a-run-of-the-night-waits-for-a-manager-whose-window-is-open', async () => {
  const night = await stage.send('count the stars', { schedule_mode: 'nightly' })
  const own = await stage.send('clean up', { schedule_mode: 'weekend' })
  const { run_id } = await stage.send('now')
  const now = await stage.claim('manager-1')
  expect(now.run_id).toBe(run_id)
  await stage.workbench.finishRun(run_id, finishOf(now))
  expect(await stage.tryClaim('manager-1')).toBeNull()

  const nightly = await stage.tryClaim('manager-2', stage.workbench, ['immediate', 'nightly'])
  expect(nightly?.run_id).toBe(night.run_id)
  expect(await stage.tryClaim('manager-2', stage.workbench, ['immediate', 'nightly'])).toBeNull()
  if (nightly) await stage.workbench.finishRun(night.run_id, finishOf(nightly, {}, 'manager-2'))

  // The window is closed again: the same manager gets no run of the night, and one of its own mode waits for who asks.
  const later = await stage.send('count them again', { schedule_mode: 'nightly' })
  expect(await stage.tryClaim('manager-2', stage.workbench, ['immediate'])).toBeNull()
  const weekend = await stage.tryClaim('manager-2', stage.workbench, ['weekend'])
  expect(weekend?.run_id).toBe(own.run_id)
  if (weekend) await stage.workbench.finishRun(own.run_id, finishOf(weekend, {}, 'manager-2'))
  await stage.workbench.cancelSession(user, later.session_id)
})

test('a-backend-that-slept-between-taking-and-writing-takes-no-run-from-its-new-holder', async () => {
  const { run_id } = await stage.send('contested')
  const asleep = Promise.withResolvers<void>()
  let takes = 0
  const taken = Promise.withResolvers<void>()
  const { workbench } = stage.process((engine) => ({
    ...engine,
    take: async (request) => {
      takes += 1
      if (takes > 1) return []
      const leases = await engine.take(request)
      taken.resolve()
      await asleep.promise
      return leases
    },
  }))
  const late = stage.tryClaim('manager-1', workbench)
  await taken.promise
  await stage.loseLease(run_id)
  const held = await stage.claim('manager-2')
  expect(held).toMatchObject({ run_id, attempt: 1 })
  // Its own hand-out is noted, so that an older one is known as such.
  await stage.loseLease(run_id)
  const again = await stage.claim('manager-2')
  asleep.resolve()
  expect(await late).toBeNull()
  const batch = { ...holder(again, 'manager-2'), attempt: again.attempt, events: numbered([said('mine')]) }
  expect(await stage.workbench.storeEvents(run_id, batch)).toEqual({ received: 1 })
  expect(await stage.workbench.finishRun(run_id, finishOf(again, {}, 'manager-2'))).toMatchObject({
    status: 'completed',
  })
})

test('a-run-whose-claim-was-never-heard-is-handed-out-again-at-once', async () => {
  const held = await stage.send('held')
  const mine = await stage.claim()
  const { run_id } = await stage.send('unheard')
  // The backend took it for the manager, wrote it down, and died before the answer was sent.
  expect(await stage.claim()).toMatchObject({ run_id, attempt: 1 })
  expect(await stage.tryClaim('manager-2')).toBeNull()
  const again = await stage.workbench.claim(
    {
      ...{ worker_id: 'manager-1', boot_id: 'manager-1-boot', lease_seconds: 60, wait_seconds: 0, capacity: 2 },
      ...{ schedule_modes: ['immediate'], holding: [held.run_id] },
    },
    new AbortController().signal,
  )
  expect(again).toMatchObject({ run_id, attempt: 1 })
  for (const run of [mine, again as typeof mine])
    expect(await stage.workbench.finishRun(run.run_id, finishOf(run))).toMatchObject({ status: 'completed' })
  expect((await stage.engine.job(run_id, null)).status).toBe('finished')
})

test.each([
  ['told by its start', true],
  ['told by what it did', false],
])('a-run-that-was-begun-and-lost-sight-of-is-a-new-attempt: %s', async (_, started) => {
  const { run_id, session_id } = await stage.send('begun')
  const first = await stage.claim()
  if (started) await stage.workbench.startRun(run_id, { ...holder(first), model: 'm', sandbox: 's' })
  const steering = started ? await stage.workbench.steer(user, session_id, { prompt: 'use French' }) : undefined
  const heard: AgentEvent[] = steering && 'command_id' in steering ? [{ type: 'steered', id: steering.command_id }] : []
  const call: AgentEvent = { type: 'tool_call', tool_use_id: 't1', name: 'Bash', input: {}, parent_tool_use_id: null }
  await stage.workbench.storeEvents(run_id, { ...holder(first), attempt: 1, events: numbered([...heard, call]) })
  // All backends were away for longer than its patience: it has put the run away, and asks for another.
  const again = await stage.workbench.claim(
    {
      ...{ worker_id: 'manager-1', boot_id: 'manager-1-boot', lease_seconds: 60, wait_seconds: 0, capacity: 2 },
      ...{ schedule_modes: ['immediate'], holding: [] },
    },
    new AbortController().signal,
  )
  if (!again) throw new Error('it was not handed out again')
  expect(again).toMatchObject({ run_id, attempt: 2 })
  expect(await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })).toMatchObject([
    { tool_use_id: 't1', is_error: true, tool_output: 'interrupted' },
  ])
  const renewal = { ...holder(again), lease_seconds: 60, wait_seconds: 0, commands_after: 0 }
  const { commands } = await stage.workbench.renewRun(run_id, renewal)
  expect(commands).toMatchObject(started ? [{ text: 'use French' }] : [])
  expect((await stage.frames(session_id)).filter(({ type }) => type === 'run.attempt')).toHaveLength(1)
  if (started) await stage.workbench.storeEvents(run_id, { ...holder(again), attempt: 2, events: numbered(heard) })
  await stage.workbench.finishRun(run_id, finishOf(again))
})

test('claim-that-can-not-be-written-is-given-back-untried', async () => {
  const { run_id } = await stage.send('wait')
  const gone = new AbortController()
  const { workbench } = stage.process((engine) => ({
    ...engine,
    // The manager hangs up in the moment in which a task was found for it.
    take: async (request) => {
      const leases = await engine.take(request)
      gone.abort()
      return leases
    },
  }))
  const answer = await workbench.claim(
    {
      worker_id: 'manager-9',
      boot_id: 'b',
      lease_seconds: 60,
      wait_seconds: 5,
      schedule_modes: ['immediate'],
      capacity: 1,
    },
    gone.signal,
  )
  expect(answer).toBeNull()
  const run = await stage.claim()
  expect(run).toMatchObject({ run_id, attempt: 1 })
  await stage.workbench.finishRun(run_id, finishOf(run))
})
