/** Batches of many runs that arrive at once: stored together, and each as if it had been alone. */
import type { AgentEvent, ClaimedRun, SessionFrame } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, said, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const claimed = async (count: number): Promise<ClaimedRun[]> => {
  const runs: ClaimedRun[] = []
  for (let n = 0; n < count; n += 1) {
    await stage.send(`session ${n}`)
    runs.push(await stage.claim())
  }
  return runs
}

const store = (run: ClaimedRun, events: AgentEvent[], from = 1, worker = 'manager-1') =>
  stage.workbench.storeEvents(run.run_id, {
    ...holder(run, worker),
    attempt: run.attempt,
    events: numbered(events, from),
  })

const turn = (name: string): AgentEvent[] => [
  { type: 'text_delta', text: name, parent_tool_use_id: null },
  said(`${name} says`),
  { type: 'tool_call', tool_use_id: 'same', name: 'Bash', input: { command: name }, parent_tool_use_id: null },
  { type: 'tool_result', tool_use_id: 'same', output: name, is_error: false, duration_ms: 1 },
  said(`${name} is done`),
]

const told = async (run: ClaimedRun): Promise<[SessionFrame['type'], string][]> => {
  const frames = await stage.frames(run.session_id)
  expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, at) => at + 1))
  return frames
    .filter(({ type }) => type === 'message.new' || type.startsWith('tool.'))
    .slice(1)
    .map(({ type, data }) => [
      type,
      String(data.text_preview ?? data.tool_output ?? (data.tool_input as { command: string }).command),
    ])
}

test('what-many-runs-say-at-once-is-stored-for-each-in-its-order', async () => {
  const runs = await claimed(8)
  expect(await Promise.all(runs.map((run, n) => store(run, turn(`agent ${n}`))))).toEqual(
    runs.map(() => ({ received: 5 })),
  )
  for (const [n, run] of runs.entries()) {
    expect(await told(run)).toEqual([
      ['message.new', `agent ${n} says`],
      ['tool.call', `agent ${n}`],
      ['tool.result', `agent ${n}`],
      ['message.new', `agent ${n} is done`],
    ])
    const tools = await stage.workbench.toolExecutions(user, run.session_id, { limit: 10, offset: 0 })
    expect(tools).toMatchObject([{ tool_input: { command: `agent ${n}` }, tool_output: `agent ${n}` }])
    await stage.workbench.finishRun(run.run_id, finishOf(run))
  }
})

test('a-replaced-holder-among-many-is-refused-and-only-that-one', async () => {
  const [first, late, third] = (await claimed(3)) as [ClaimedRun, ClaimedRun, ClaimedRun]
  const stale = { ...late, lease_token: 'of an earlier lease' }
  const answers = await Promise.allSettled([
    store(first, [said('a')]),
    store(stale, [said('b')]),
    store(third, [said('c')], 2),
    store({ ...first, run_id: crypto.randomUUID() }, [said('d')]),
    store(late, [said('e')]),
  ])
  expect(answers.map((answer) => (answer.status === 'rejected' ? answer.reason : answer.value))).toMatchObject([
    { received: 1 },
    { code: 'LEASE_LOST' },
    { name: 'EventGapError', expected: 1 },
    { code: 'RUN_NOT_FOUND' },
    { received: 1 },
  ])
  expect(await told(late)).toEqual([['message.new', 'e']])
  expect(await told(third)).toEqual([])
  for (const run of [first, late, third]) await stage.workbench.finishRun(run.run_id, finishOf(run))
})

test('a-session-that-somebody-is-changing-keeps-nobody-else-waiting', async () => {
  const [busy, other] = (await claimed(2)) as [ClaimedRun, ClaimedRun]
  const locked = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const holding = stage.database.transaction(async (tx) => {
    await tx.query('select 1 from workbench.sessions where id = $1 for update', [busy.session_id])
    locked.resolve()
    await release.promise
  })
  await locked.promise
  const waiting = store(busy, [said('after')])
  expect(await store(other, [said('at once')])).toEqual({ received: 1 })
  release.resolve()
  await holding
  expect(await waiting).toEqual({ received: 1 })
  for (const run of [busy, other]) await stage.workbench.finishRun(run.run_id, finishOf(run))
})

test('live-readers-of-many-sessions-get-the-lines-of-theirs', async () => {
  const runs = await claimed(5)
  const stop = new AbortController()
  await stage.workbench.start()
  const readers = runs.map(({ session_id }) =>
    stage.workbench.follow({ sessionId: session_id, userId: user, since: 0, signal: stop.signal }),
  )
  const heard = readers.map(async (frames, n) => {
    const chunks: unknown[] = []
    for await (const { type, data } of frames) {
      if (type === 'message.chunk') chunks.push(data.text)
      if (type === 'message.new' && data.text_preview === `agent ${n} is done`) return chunks
    }
    return undefined
  })
  await Promise.all(runs.map((run, n) => store(run, turn(`agent ${n}`))))
  for (const chunks of await Promise.all(heard)) expect(chunks).toBeDefined()
  stop.abort()
  for (const run of runs) await stage.workbench.finishRun(run.run_id, finishOf(run))
})
