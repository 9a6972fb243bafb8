/** Saying something to an agent while it works, and stopping it, through the renewals of its manager. */
import type { ClaimedRun } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Workbench } from '../src/index.ts'
import { createStage, finishOf, holder, numbered, type Stage, said, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
  await stage.workbench.start()
})
afterAll(() => stage.close())

const renew = (run: ClaimedRun, wait = 0, after = 0, workbench: Workbench = stage.workbench, signal?: AbortSignal) =>
  workbench.renewRun(
    run.run_id,
    { ...holder(run), lease_seconds: 60, wait_seconds: wait, commands_after: after },
    signal,
  )
const prompts = async (sessionId: string): Promise<(string | null)[]> =>
  (await stage.workbench.messages(user, sessionId, { afterId: 0, limit: 100 })).map((row) => row.text_preview)
const working = async (): Promise<ClaimedRun> => {
  await stage.send('work')
  return stage.claim()
}
const finish = (run: ClaimedRun, fields = {}) => stage.workbench.finishRun(run.run_id, finishOf(run, fields))

test('a-message-reaches-the-manager-that-waits-and-stands-where-the-agent-took-it-in', async () => {
  const run = await working()
  // From another process, over PostgreSQL's notifications.
  const { workbench: other } = stage.process()
  const waiting = renew(run, 30)
  const steered = await other.steer(user, run.session_id, { prompt: 'use French' })
  expect(steered).toMatchObject({ accepted_type: 'command', run_id: run.run_id })
  const id = 'command_id' in steered ? steered.command_id : ''
  const answer = await waiting
  expect(answer).toEqual({ held: true, cancel: false, commands: [{ n: 1, type: 'message', id, text: 'use French' }] })
  // Had the answer been lost, the next one brings it again; a manager that has it waits for the next.
  expect((await renew(run)).commands).toHaveLength(1)
  expect((await renew(run, 0, 1)).commands).toEqual([])

  const events = numbered([said('One'), { type: 'steered', id }, said('Deux'), { type: 'steered', id }])
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: 1, events })
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: 1, events })
  expect(await prompts(run.session_id)).toEqual(['work', 'One', 'use French', 'Deux'])
  expect((await renew(run)).commands).toEqual([])
  expect(await finish(run)).toMatchObject({ status: 'completed' })
  expect(await stage.tryClaim()).toBeNull()
})

test('a-message-that-the-end-of-the-turn-overtook-is-the-next-one', async () => {
  const run = await working()
  await stage.workbench.steer(user, run.session_id, { prompt: 'first', client_request_id: 'c-1' })
  await stage.workbench.steer(user, run.session_id, { prompt: 'second' })
  await stage.workbench.interrupt(user, run.session_id)
  await finish(run)
  // Finished again, as a manager does that heard no answer: there is one next run each, all the same.
  await finish(run)
  const first = await stage.claim()
  expect([first.session_id, first.prompt, first.attempt]).toEqual([run.session_id, 'first', 1])
  // What was said to the one is not said to the other.
  expect((await renew(first)).commands).toEqual([])
  const repeated = await stage.workbench.steer(user, run.session_id, { prompt: 'first', client_request_id: 'c-1' })
  expect(repeated).toMatchObject({ run_id: first.run_id })
  await finish(first)
  const second = await stage.claim()
  expect(second.prompt).toBe('second')
  await finish(second)
  expect(await stage.tryClaim()).toBeNull()
  expect(await prompts(run.session_id)).toEqual(['work', 'first', 'second'])
})

test('a-message-whose-manager-died-reaches-the-next-attempt', async () => {
  const run = await working()
  await stage.workbench.steer(user, run.session_id, { prompt: 'look left' })
  expect((await renew(run)).commands).toHaveLength(1)
  await stage.loseLease(run.run_id)
  const again = await stage.claim()
  expect(again).toMatchObject({ run_id: run.run_id, attempt: 2 })
  const { commands } = await renew(again)
  expect(commands).toMatchObject([{ type: 'message', text: 'look left' }])
  // The former one can't take it in any more.
  const [command] = commands
  const id = command?.type === 'message' ? command.id : ''
  const late = { ...holder(run), attempt: 1, events: numbered([{ type: 'steered', id }]) }
  await expect(stage.workbench.storeEvents(run.run_id, late)).rejects.toMatchObject({ code: 'LEASE_LOST' })
  expect((await renew(again)).commands).toHaveLength(1)
  await finish(again)
  await finish(await stage.claim())
})

test('a-message-that-an-attempt-took-in-and-died-with-is-said-to-the-next-one-and-shown-once', async () => {
  const run = await working()
  await stage.workbench.steer(user, run.session_id, { prompt: 'look left' })
  const takeIn = async (held: ClaimedRun): Promise<void> => {
    const { commands } = await renew(held)
    expect(commands).toMatchObject([{ type: 'message', text: 'look left' }])
    const [command] = commands
    const id = command?.type === 'message' ? command.id : ''
    const events = numbered([said('I see'), { type: 'steered', id }])
    await stage.workbench.storeEvents(held.run_id, { ...holder(held), attempt: held.attempt, events })
    expect((await renew(held)).commands).toEqual([])
  }
  await takeIn(run)
  await stage.loseLease(run.run_id)
  const again = await stage.claim()
  await takeIn(again)
  expect(await prompts(run.session_id)).toEqual(['work', 'I see', 'look left', 'I see'])
  expect(await finish(again)).toMatchObject({ status: 'completed' })
  expect(await stage.tryClaim()).toBeNull()
})

test('a-message-that-a-failed-turn-had-heard-once-is-not-sent-again', async () => {
  const run = await working()
  const steered = await stage.workbench.steer(user, run.session_id, { prompt: 'look left', client_request_id: 'c-3' })
  const id = 'command_id' in steered ? steered.command_id : ''
  const events = numbered([{ type: 'steered', id }])
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: 1, events })
  await stage.loseLease(run.run_id)
  const again = await stage.claim()
  const error = { code: 'X', message: 'no good', retryable: false }
  expect(await finish(again, { outcome: 'failed', error })).toMatchObject({ status: 'failed' })
  expect(await stage.workbench.queue(user, run.session_id)).toEqual([])
  expect(await prompts(run.session_id)).toEqual(['work', 'look left'])
  const repeated = await stage.workbench.steer(user, run.session_id, { prompt: 'look left', client_request_id: 'c-3' })
  expect(repeated).toMatchObject({ accepted_type: 'command', run_id: run.run_id })
})

test('a-cancellation-answers-the-renewal-that-waits-and-what-was-said-begins-nothing-new', async () => {
  const run = await working()
  await stage.workbench.steer(user, run.session_id, { prompt: 'more' })
  const waiting = renew(run, 30, 1)
  await stage.workbench.cancelSession(user, run.session_id)
  expect(await waiting).toMatchObject({ held: true, cancel: true })
  expect(await finish(run, { outcome: 'canceled' })).toMatchObject({ status: 'canceled' })
  expect(await prompts(run.session_id)).toEqual(['work', 'more'])
  expect(await stage.tryClaim()).toBeNull()
})

test('a-lease-that-the-engine-takes-away-answers-the-renewal-that-waits', async () => {
  const run = await working()
  const waiting = renew(run, 30)
  await stage.engine.cancel(run.job_id, null, 'operator', null)
  expect(await waiting).toEqual({ held: false, cancel: true, commands: [] })
  expect((await stage.workbench.run(user, run.run_id)).status).toBe('canceled')
})

test('an-interrupt-ends-the-turn-and-not-what-waits-behind-it', async () => {
  const run = await working()
  const { run_id: next } = await stage.send('next', { session_id: run.session_id })
  const waiting = renew(run, 30)
  expect(await stage.workbench.interrupt(user, run.session_id)).toEqual({
    session_id: run.session_id,
    run_id: run.run_id,
  })
  expect((await waiting).commands).toEqual([{ n: 1, type: 'interrupt' }])
  // Pressing the button again stops nothing else.
  await stage.workbench.interrupt(user, run.session_id)
  expect((await renew(run)).commands).toHaveLength(1)
  const error = { code: 'interrupted', message: 'stopped', retryable: false }
  expect(await finish(run, { outcome: 'canceled', error })).toMatchObject({ status: 'canceled' })
  const after = await stage.claim()
  expect(after.run_id).toBe(next)
  expect((await renew(after)).commands).toEqual([])
  await finish(after)
  expect(await stage.workbench.interrupt(user, run.session_id)).toMatchObject({ run_id: null })
})

test('without-a-run-at-work-it-is-a-message-like-any-other-and-a-repetition-says-it-once', async () => {
  const run = await working()
  await finish(run)
  const request = { prompt: 'again', client_request_id: 'c-2' }
  const sent = await stage.workbench.steer(user, run.session_id, request)
  expect(sent).toMatchObject({ accepted_type: 'run', session_id: run.session_id })
  const next = await stage.claim()
  expect(next.prompt).toBe('again')
  // Now a run is at work: the same request must not be said to it.
  expect(await stage.workbench.steer(user, run.session_id, request)).toMatchObject({ run_id: next.run_id })
  expect((await renew(next)).commands).toEqual([])
  const [a, b] = await Promise.all(
    [1, 2].map(() => stage.workbench.steer(user, run.session_id, { prompt: 'x', client_request_id: 'c-3' })),
  )
  expect(a).toEqual(b)
  expect((await renew(next)).commands).toHaveLength(1)
  await finish(next)
  await finish(await stage.claim())
})

test('a-cancellation-or-an-interruption-that-is-sent-again-does-not-hit-the-next-turn', async () => {
  const { workbench: other } = stage.process()
  const run = await working()
  const interrupted = await stage.workbench.interrupt(user, run.session_id, { client_request_id: 'i-1' })
  expect(interrupted).toEqual({ session_id: run.session_id, run_id: run.run_id })
  await finish(run, { outcome: 'canceled' })
  await stage.send('next', { session_id: run.session_id })
  const next = await stage.claim()
  expect(await other.interrupt(user, run.session_id, { client_request_id: 'i-1' })).toEqual(interrupted)
  expect((await renew(next)).commands).toEqual([])

  const cancel = { reason: 'enough', client_request_id: 'c-1' }
  const cancelled = await stage.workbench.cancelSession(user, run.session_id, cancel)
  expect(cancelled).toMatchObject({ canceled_runs: 1, executor_cancel_status: 'pending' })
  await finish(next, { outcome: 'canceled' })
  await stage.send('last', { session_id: run.session_id })
  const last = await stage.claim()
  expect(await other.cancelSession(user, run.session_id, cancel)).toEqual(cancelled)
  expect(await renew(last)).toMatchObject({ held: true, cancel: false })
  // Under the same id another kind of request is another one, and both at once are one.
  const both = await Promise.all(
    [stage.workbench, other].map((each) => each.interrupt(user, run.session_id, { client_request_id: 'c-1' })),
  )
  expect(both).toEqual([1, 2].map(() => ({ session_id: run.session_id, run_id: last.run_id })))
  expect((await renew(last)).commands).toHaveLength(1)
  await finish(last)
})

test('what-is-meant-for-a-run-that-has-ended-leaves-the-next-one-alone', async () => {
  const run = await working()
  await finish(run)
  await stage.send('next', { session_id: run.session_id })
  const next = await stage.claim()
  const late = { run_id: run.run_id }
  const refused = { code: 'RUN_NOT_CURRENT', path: 'body.run_id' }
  await expect(stage.workbench.interrupt(user, run.session_id, late)).rejects.toMatchObject(refused)
  await expect(stage.workbench.cancelSession(user, run.session_id, late)).rejects.toMatchObject(refused)
  expect(await renew(next)).toMatchObject({ cancel: false, commands: [] })
  expect(await stage.workbench.interrupt(user, run.session_id, { run_id: next.run_id })).toMatchObject({
    run_id: next.run_id,
  })
  expect(await stage.workbench.cancelSession(user, run.session_id, { run_id: next.run_id })).toMatchObject({
    canceled_runs: 1,
  })
  await finish(next, { outcome: 'canceled' })
})

test('a-branch-and-a-second-answer-are-made-once-however-often-they-are-asked-for', async () => {
  const { workbench: other } = stage.process()
  const run = await working()
  const events = numbered([said('One')])
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: 1, events })
  await finish(run)
  const [question, answer] = await stage.workbench.messages(user, run.session_id, { afterId: 0, limit: 10 })
  const ids = { user_message_id: question?.id ?? 0, assistant_message_id: answer?.id ?? 0 }
  const branch = { message_id: ids.assistant_message_id, client_request_id: 'b-1' }
  const branched = await stage.workbench.branch(user, run.session_id, branch)
  expect(await other.branch(user, run.session_id, branch)).toEqual(branched)
  expect((await stage.workbench.branch(user, run.session_id, { message_id: branch.message_id })).session_id).not.toBe(
    branched.session_id,
  )

  const again = { ...ids, client_request_id: 'r-1' }
  const regenerated = await stage.workbench.regenerate(user, run.session_id, again)
  // Its turn is at work: without the id this would be refused, and after it taken a third time.
  expect(await other.regenerate(user, run.session_id, again)).toEqual(regenerated)
  await finish(await stage.claim())
  expect(await other.regenerate(user, run.session_id, again)).toEqual(regenerated)
  expect(await stage.tryClaim()).toBeNull()
})

test('a-strangers-session-is-not-found-and-an-agent-that-takes-nothing-is-told-no-more', async () => {
  const run = await working()
  await expect(stage.workbench.steer('stranger', run.session_id, { prompt: 'x' })).rejects.toMatchObject({
    code: 'SESSION_NOT_FOUND',
  })
  await expect(stage.workbench.interrupt('stranger', run.session_id)).rejects.toMatchObject({
    code: 'SESSION_NOT_FOUND',
  })
  for (let n = 0; n < 100; n++) await stage.workbench.steer(user, run.session_id, { prompt: `${n}` })
  await expect(stage.workbench.steer(user, run.session_id, { prompt: 'one more' })).rejects.toMatchObject({
    code: 'TOO_MANY_COMMANDS',
  })
  await stage.workbench.cancelSession(user, run.session_id)
  await finish(run, { outcome: 'canceled' })
})

test('a-renewal-ends-when-its-manager-has-gone', async () => {
  const run = await working()
  const gone = new AbortController()
  const waiting = renew(run, 30, 0, stage.workbench, gone.signal)
  gone.abort()
  expect(await waiting).toMatchObject({ held: true })
  await finish(run)
})
