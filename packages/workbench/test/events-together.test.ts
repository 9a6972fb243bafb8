/** Batches of many runs that arrive at once: stored together, and each as if it had been alone. */
import type { AgentEvent, ClaimedRun, SessionFrame } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, said, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
  await stage.workbench.start()
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
    runs.map(() => ({ received: 4 })),
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

test('text-is-shown-while-it-is-said-and-nothing-of-it-is-stored', async () => {
  const [run, other] = (await claimed(2)) as [ClaimedRun, ClaimedRun]
  const stop = new AbortController()
  const shown = Promise.withResolvers<unknown[]>()
  const listening = Promise.withResolvers<void>()
  const reading = (async () => {
    const texts: unknown[] = []
    for await (const { type, data } of stage.workbench.follow({
      ...{ sessionId: run.session_id, userId: user, signal: stop.signal },
    })) {
      if (type === 'session.snapshot') listening.resolve()
      if (type === 'message.chunk' || type === 'message.new') texts.push(data.text ?? data.text_preview)
      if (type === 'message.new') shown.resolve(texts)
    }
  })()
  await listening.promise
  const delta = (text: string): AgentEvent => ({ type: 'text_delta', text, parent_tool_use_id: null })
  const before = await stage.frames(run.session_id)
  // Longer than a notification may be; and twice the same, which PostgreSQL would tell once.
  const long = 'ä'.repeat(20_000)
  for (const text of ['one ', 'two ', 'two ', long])
    expect(await Promise.all([store(run, [delta(text)]), store(other, [delta('for others')])])).toEqual([
      ...[{ received: 0 }, { received: 0 }],
    ])
  expect(await stage.frames(run.session_id)).toHaveLength(before.length)
  expect(await store(run, [said('all of it')])).toEqual({ received: 1 })
  const texts = await shown.promise
  expect(texts.at(-1)).toBe('all of it')
  expect(texts.slice(0, -1).join('')).toBe(`one two two ${long}`)
  stop.abort()
  await reading
  for (const each of [run, other]) await stage.workbench.finishRun(each.run_id, finishOf(each))
})

test('a-replaced-holder-shows-nothing', async () => {
  const [run] = (await claimed(1)) as [ClaimedRun]
  const delta: AgentEvent = { type: 'text_delta', text: 'late', parent_tool_use_id: null }
  const stale = { ...run, lease_token: 'of an earlier lease' }
  const answers = await Promise.allSettled([
    store(stale, [delta]),
    store({ ...run, attempt: run.attempt + 1 }, [delta]),
    store(run, [delta], 5),
    store({ ...run, run_id: crypto.randomUUID() }, [delta]),
    store(run, [delta]),
  ])
  expect(answers.map((answer) => (answer.status === 'rejected' ? answer.reason : answer.value))).toMatchObject([
    { code: 'LEASE_LOST' },
    { code: 'LEASE_LOST' },
    { name: 'EventGapError', expected: 1 },
    { code: 'RUN_NOT_FOUND' },
    { received: 0 },
  ])
  await stage.workbench.finishRun(run.run_id, finishOf(run))
})
