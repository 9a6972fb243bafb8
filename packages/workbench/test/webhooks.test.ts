/** What becomes of a run, told to a receiver: by the engine's outbox, with what waits for a person beside what a job tells. */
import type { AgentEvent, ClaimedRun, TaskConfigPatch } from '@tutti/contracts'
import { TuttiError } from '@tutti/contracts'
import { agentTask, blueprint, webhookKind } from '@tutti/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, user } from './support/stage.ts'

const asking = blueprint({ name: 'asking' })
  .state('write', { start: true, to: ['done'] }, ({ agent }) =>
    agent({ prompt: 'write', attended: true, permission_mode: 'default', on: { success: 'done' } }),
  )
  .end('done', ({ last }) => last?.data)

const panel = blueprint({ name: 'panel' })
  .state('ask', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel(
      ['red', 'green'].map((prompt) => agentTask({ prompt, attended: true })),
      { into: 'done' },
    ),
  )
  .end('done')

let stage: Stage

beforeAll(async () => {
  stage = await createStage([asking, panel], {
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
const told = (run: ClaimedRun): Promise<Told[]> => toldOf(run.job_id)
const toldOf = async (job: string): Promise<Told[]> => {
  const records = await stage.store.listRecords({ kind: webhookKind, ref: job, limit: 100 })
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

test('what an agent asks inside a blueprint’s job is told once to that job’s receiver, and to nobody else; then that job’s end', async () => {
  const webhook = { url: 'https://mine.example.org/job', events: ['agent_asked', 'job_finished'] }
  const [job] = await stage.engine.create([{ blueprint: 'asking', client: user, input: {}, webhook }])
  const id = job?.id ?? ''
  const run = await stage.claim()
  await park(run, [asks('a'), parkedEvent('input')])
  const [request] = await stage.workbench.requests(user, run.session_id)
  const question = {
    url: webhook.url,
    event: 'agent_asked',
    payload: {
      // The receiver knows the job that it was named for, and not the one in which the agent runs.
      ...{ job_id: id, status: 'waiting_for_child', session_id: run.session_id, run_id: run.run_id },
      requests: [
        {
          ...{ id: request?.id, kind: 'permission', tool_name: 'Bash', tool_input: { command: 'make a' } },
          url: `https://tutti.example.org/${user}/${request?.id}`,
        },
      ],
    },
  }
  expect(await toldOf(id)).toMatchObject([question])
  const repeated = finishOf(run, { outcome: 'parked', park: { reason: 'input', until: null } })
  await stage.workbench.finishRun(run.run_id, repeated)
  await stage.sweepAll(stage.process().workbench)
  expect(await toldOf(id)).toHaveLength(1)

  await stage.workbench.answerRequest(user, request?.id ?? '', { decision: 'allow' })
  const next = await stage.claim()
  await stage.workbench.finishRun(next.run_id, finishOf(next, { result: 'it is made' }))
  await vi.waitFor(async () => expect(await toldOf(id)).toHaveLength(2))
  expect((await toldOf(id))[1]).toMatchObject({ event: 'job_finished', payload: { result: { text: 'it is made' } } })
  // The operator's receiver is for sessions.
  expect(await told(run)).toEqual([])
})

test('each agent of a fan-out that asks is told for itself; a job without a receiver, or that wants none of it, tells nobody', async () => {
  const create = async (webhook: { webhook?: { url: string; events: string[] | null } }): Promise<string> =>
    (await stage.engine.create([{ blueprint: 'panel', client: user, input: {}, ...webhook }]))[0]?.id ?? ''
  const url = 'https://mine.example.org/panel'
  const askAll = async (): Promise<ClaimedRun[]> => {
    const runs = [await stage.claim(), await stage.claim()]
    for (const run of runs) await park(run, [asks(run.prompt), parkedEvent('input')])
    return runs
  }
  const loud = await create({ webhook: { url, events: null } })
  const runs = await askAll()
  const asked = await toldOf(loud)
  expect(asked.map(({ event }) => event)).toEqual(['agent_asked', 'agent_asked'])
  expect(asked.map(({ payload }) => payload.run_id).sort()).toEqual(runs.map(({ run_id }) => run_id).sort())
  const silent = [await create({}), await create({ webhook: { url, events: ['job_failed'] } })]
  for (const job of silent) {
    const asking = await askAll()
    expect(await toldOf(job)).toEqual([])
    for (const run of asking) expect(await told(run)).toEqual([])
  }
  for (const job of [loud, ...silent]) await stage.engine.cancel(job, user, user, 'enough')
})

test('an address that no webhook may have is refused when it is sent, with its path', async () => {
  const sent = stage.send('do it', { config: { webhook_url: 'http://10.0.0.1/' } })
  const error = await sent.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TuttiError)
  expect(error).toMatchObject({ code: 'INVALID_BODY', path: 'body.config.webhook_url' })
})
