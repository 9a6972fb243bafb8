/** What becomes of a run, told to a receiver: by the engine's outbox, with what waits for a person beside what a job tells. */
import type { AgentEvent, ClaimedRun, TaskConfigPatch } from '@tutti/contracts'
import { TuttiError } from '@tutti/contracts'
import { webhookKind } from '@tutti/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage([], {
    webhooks: {
      url: 'https://operator.example.org/',
      faultOf: (url) => (url.startsWith('https://') ? null : 'must be public'),
      linkTo: (userId, { id }) => `https://tutti.example.org/${userId}/${id}`,
    },
  })
})
afterAll(() => stage.close())

const usage = { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
const parkedEvent = (reason: 'input' | 'rate_limit', until: number | null = null): AgentEvent => ({
  ...{ type: 'parked', reason, until, agent_session_id: 'sdk-1', turns: 1, duration_ms: 5 },
  ...{ usage, cost_usd: 0.5 },
})
const asks = (id: string, input: Record<string, string> = { command: `make ${id}` }): AgentEvent => ({
  ...{ type: 'request', kind: 'permission', tool_use_id: id, tool_name: 'Bash', input },
})

const begin = async (config: TaskConfigPatch = {}): Promise<ClaimedRun> => {
  await stage.send('do it', { config })
  return stage.claim()
}
const park = async (run: ClaimedRun, events: AgentEvent[]): Promise<void> => {
  const sent = { ...holder(run), attempt: run.attempt, events: numbered(events) }
  await stage.workbench.storeEvents(run.run_id, sent)
  const last = events.at(-1)
  if (last?.type !== 'parked') throw new Error('it does not park')
  const told = finishOf(run, { outcome: 'parked', park: { reason: last.reason, until: last.until } })
  await stage.workbench.finishRun(run.run_id, told)
}
interface Told {
  url: string
  event: string
  payload: Record<string, unknown>
}
/** What the outbox has for the run's job, in the order of its ids. */
const told = async (run: ClaimedRun): Promise<Told[]> => {
  const records = await stage.store.listRecords({ kind: webhookKind, ref: run.job_id, limit: 100 })
  return records.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(({ body }) => body as unknown as Told)
}

test('a question is told once, with a link to answer it, however often its parking is reported; then the end', async () => {
  const run = await begin({ webhook_url: 'https://mine.example.org/hook' })
  // Who is told is nothing to the host of the sandbox, nor to the job's input.
  expect(run.config).toEqual({})
  expect((await stage.engine.job(run.job_id, null)).input).toMatchObject({ config: {} })
  const large = 'x'.repeat(20_000)
  await park(run, [asks('a'), asks('b', { command: large }), parkedEvent('input')])
  const requests = await stage.workbench.requests(user, run.session_id)
  const asked = (await told(run)).filter(({ event }) => event === 'agent_asked')
  expect(asked).toMatchObject([
    {
      url: 'https://mine.example.org/hook',
      payload: {
        ...{ event: 'agent_asked', job_id: run.job_id, session_id: run.session_id, run_id: run.run_id },
        requests: [
          { kind: 'permission', tool_name: 'Bash', tool_input: { command: 'make a' } },
          { kind: 'permission', tool_name: 'Bash', tool_input: null },
        ],
      },
    },
  ])
  const shown = asked.flatMap(({ payload }) => payload.requests as { url: string }[])
  const links = shown.map(({ url }) => url).sort()
  expect(links).toEqual(requests.map(({ id }) => `https://tutti.example.org/${user}/${id}`).sort())
  // Its manager repeats the end, and the sweeper of another process looks as well.
  const repeated = finishOf(run, { outcome: 'parked', park: { reason: 'input', until: null } })
  await stage.workbench.finishRun(run.run_id, repeated)
  await stage.sweepAll(stage.process().workbench)
  expect((await told(run)).filter(({ event }) => event === 'agent_asked')).toHaveLength(1)

  for (const { id } of requests) await stage.workbench.answerRequest(user, id, { decision: 'allow' })
  const next = await stage.claim()
  await park(next, [asks('c'), parkedEvent('input')])
  const again = (await told(run)).filter(({ event }) => event === 'agent_asked')
  expect(again.map(({ payload }) => (payload.requests as object[]).length)).toEqual([2, 1])
  await stage.workbench.cancelSession(user, run.session_id)
  expect((await told(run)).map(({ event }) => event)).toEqual(['agent_asked', 'agent_asked', 'job_cancelled'])
})

test('a-process-dies-between-the-parking-and-its-telling: the sweeper of another tells it', async () => {
  const broken = stage.process((engine) => ({
    ...engine,
    job: () => Promise.reject(new Error('the process has died')),
    results: () => Promise.reject(new Error('the process has died')),
  }))
  const run = await begin()
  const events = numbered([asks('a'), parkedEvent('input')])
  await stage.workbench.storeEvents(run.run_id, { ...holder(run), attempt: run.attempt, events })
  const finished = finishOf(run, { outcome: 'parked', park: { reason: 'input', until: null } })
  await expect(broken.workbench.finishRun(run.run_id, finished)).rejects.toThrow('has died')
  expect(await told(run)).toEqual([])
  await stage.sweepAll()
  expect(await told(run)).toMatchObject([{ event: 'agent_asked', url: 'https://operator.example.org/' }])
  expect(await stage.engine.job(run.job_id, null)).toMatchObject({ state: 'parked' })
  await stage.workbench.cancelSession(user, run.session_id)
})

test('a provider’s limit is told with its end, and a failure with its reason; only what was asked for is told', async () => {
  const run = await begin({ webhook_events: ['agent_delayed', 'job_failed'] })
  const until = Date.now() + 3_600_000
  await park(run, [parkedEvent('rate_limit', until)])
  expect(await told(run)).toMatchObject([
    { event: 'agent_delayed', payload: { reason: 'rate_limit', until: new Date(until).toISOString() } },
  ])
  stage.advance(3_700_000)
  const next = await stage.claim()
  const error = { code: 'SANDBOX_ENDED', message: 'gone', retryable: false }
  await stage.workbench.finishRun(next.run_id, finishOf(next, { outcome: 'failed', error }))
  const all = await told(run)
  expect(all.map(({ event }) => event).sort()).toEqual(['agent_delayed', 'job_failed'])
  expect(all.find(({ event }) => event === 'job_failed')?.payload.error).toMatchObject({
    message: expect.stringContaining('SANDBOX_ENDED'),
  })
  const none = await begin({ webhook_events: [] })
  await park(none, [asks('a'), parkedEvent('input')])
  await stage.workbench.cancelSession(user, none.session_id)
  expect(await told(none)).toEqual([])
})

test('an address that no webhook may have is refused when it is sent, with its path', async () => {
  const sent = stage.send('do it', { config: { webhook_url: 'http://10.0.0.1/' } })
  const error = await sent.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TuttiError)
  expect(error).toMatchObject({ code: 'INVALID_BODY', path: 'body.config.webhook_url' })
})
