/** Turns that wait for a person: the real Claude Agent SDK parks them, and takes them up again in a new process. */
import { access, cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentEvent, agentEvent, mostTold, type RequestAnswer, type Turn } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createClaudeRuntime, resolveClaudeExecutable } from '../src/index.ts'
import { createScriptedModel, type ScriptedModel } from '../src/scripted/index.ts'

const timeout = 60_000
let workspace: string
let model: ScriptedModel
/** Conversations that the model was sent. */
let asks: number

beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'tutti-parking-'))
  asks = 0
  model = await createScriptedModel({
    key: 'the key',
    asked: () => {
      asks += 1
    },
  })
})
afterEach(async () => {
  await model.close()
  await rm(workspace, { recursive: true, force: true, maxRetries: 5 })
})

const scripted = (steps: unknown[]) => `Play.\n\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
const bash = (command: string) => ({ tool: 'Bash', input: { command } })
const exists = (name: string) =>
  access(join(workspace, name)).then(
    () => true,
    () => false,
  )

interface Ran {
  events: AgentEvent[]
  last: AgentEvent | undefined
  requests: Extract<AgentEvent, { type: 'request' }>[]
  /** What the model was told by the tools. */
  results: string
  session: string
}

/** @param stopAt it is interrupted then */
const run = async (
  prompt: string,
  more: Partial<Turn> = {},
  stopAt: (event: AgentEvent) => boolean = () => false,
): Promise<Ran> => {
  const runtime = createClaudeRuntime({
    executable: resolveClaudeExecutable(),
    ...{ baseUrl: model.url, authToken: 'the key', cwd: workspace, configDir: join(workspace, '.tutti', 'claude') },
    env: { PATH: process.env.PATH, HOME: workspace },
  })
  const turn: Turn = {
    run_id: '00000000-0000-4000-8000-000000000001',
    session_id: '00000000-0000-4000-8000-000000000002',
    ...{ attempt: 1, runtime: 'claude', prompt, model: 'claude-sonnet-4-5', permission_mode: 'default' },
    ...{ attended: true, ...more },
  }
  const events: AgentEvent[] = []
  const stop = new AbortController()
  for await (const event of runtime.start(turn, { signal: stop.signal })) {
    events.push(agentEvent.parse(event))
    if (stopAt(event)) stop.abort()
  }
  const last = events.at(-1)
  return {
    ...{ events, last },
    requests: events.filter((event) => event.type === 'request'),
    results: JSON.stringify(events.filter((event) => event.type === 'tool_result')),
    session: last?.type === 'parked' || last?.type === 'done' ? last.agent_session_id : '',
  }
}

const goOn = (prompt: string, before: Ran, answer: Partial<RequestAnswer>, more: Partial<Turn> = {}): Promise<Ran> =>
  run(prompt, {
    ...{ resume: before.session, continues: true },
    answers: [{ tool_use_id: before.requests[0]?.tool_use_id ?? '', decision: 'allow', ...answer }],
    ...more,
  })

const question = {
  tool: 'AskUserQuestion',
  input: {
    questions: [
      {
        ...{ question: 'Which colour?', header: 'Colour', multiSelect: false },
        options: [
          { label: 'red', description: 'r' },
          { label: 'blue', description: 'b' },
        ],
      },
    ],
  },
}

it('parks for a question, also where nothing else is asked, and goes on with the answer', { timeout }, async () => {
  const prompt = scripted([question, { say_last_result: true }])
  const asked = await run(prompt, { permission_mode: 'bypassPermissions' })
  expect(asked.last).toMatchObject({ type: 'parked', reason: 'input', until: null })
  expect(asked.last?.type === 'parked' && asked.last.usage.input_tokens).toBeGreaterThan(0)
  expect(asked.requests).toMatchObject([{ kind: 'question', tool_name: 'AskUserQuestion' }])
  const input = { ...asked.requests[0]?.input, answers: { 'Which colour?': 'blue' } }
  const answered = await goOn(prompt, asked, { input }, { permission_mode: 'bypassPermissions' })
  expect(answered.last).toMatchObject({ type: 'done', result: expect.stringContaining('"Which colour?"="blue"') })
})

/** What stands in the conversation's record, and so can be told again. */
const recorded = ({ events }: Ran) =>
  events.filter((event) => ['message', 'tool_call', 'tool_result'].includes(event.type))
const entriesOf = (ran: Ran): string[] =>
  recorded(ran).flatMap((event) => ('entry' in event && event.entry !== undefined ? [event.entry] : []))

it('tells first what the conversation has and an attempt that was lost could not tell', { timeout }, async () => {
  const prompt = scripted([
    ...[question, { say: 'Blue it is.' }, bash('echo painted'), bash('sleep 30')],
    { say: 'All is blue.' },
  ])
  const more = { permission_mode: 'bypassPermissions' } as const
  const asked = await run(prompt, more)
  const answer = { input: { ...asked.requests[0]?.input, answers: { 'Which colour?': 'blue' } } }
  const answers = [{ tool_use_id: asked.requests[0]?.tool_use_id ?? '', decision: 'allow' as const, ...answer }]
  const told = entriesOf(asked)
  const goesOn = { ...more, resume: asked.session, continues: true, answers }
  const lost = await run(
    prompt,
    { ...goesOn, told },
    (event) => event.type === 'tool_call' && event.input.command === 'sleep 30',
  )
  const entries = entriesOf(lost)
  expect(entries).toHaveLength(recorded(lost).length)
  expect(told.filter((entry) => entries.includes(entry))).toEqual([])

  const nothingHeard = recorded(await run(prompt, { ...goesOn, told }))
  const untimed = recorded(lost).map((event) =>
    event.type === 'tool_result' ? { ...event, duration_ms: null } : event,
  )
  expect(nothingHeard.slice(0, untimed.length)).toEqual(untimed)
  expect(JSON.stringify(untimed)).toContain('painted')

  // The message was heard, and the call in it was not.
  const half = recorded(lost).findIndex((event) => JSON.stringify(event).includes('echo painted')) + 1
  const halfHeard = await run(prompt, { ...goesOn, told: [...told, ...entries.slice(0, half)] })
  expect(entriesOf(halfHeard).slice(0, entries.length - half)).toEqual(entries.slice(half))
  expect(halfHeard.events[0]).toMatchObject({ type: 'tool_call', input: { command: 'echo painted' } })

  // None of what is known is in it, and there may be more than is known: it could all have been told.
  const unknown = await run(prompt, { ...goesOn, told: Array.from({ length: mostTold }, (_, n) => `elsewhere/${n}`) })
  expect(entriesOf(unknown).filter((entry) => entries.includes(entry))).toEqual([])
})

it('asks the agent for nothing more when only the news of the end were lost', { timeout }, async () => {
  const prompt = scripted([question, bash('echo painted'), { say: 'All is blue.' }])
  const more = { permission_mode: 'bypassPermissions' } as const
  const asked = await run(prompt, more)
  const input = { ...asked.requests[0]?.input, answers: { 'Which colour?': 'blue' } }
  const done = await goOn(prompt, asked, { input }, { ...more, told: entriesOf(asked) })
  expect(done.last).toMatchObject({ type: 'done', result: 'All is blue.' })
  const before = asks

  const told = [...entriesOf(asked), ...entriesOf(done)]
  const again = await goOn(prompt, asked, { input }, { ...more, told })
  expect(again.events).toMatchObject([
    { type: 'done', result: 'All is blue.', agent_session_id: done.session, turns: 0 },
  ])
  const unheard = await goOn(prompt, asked, { input }, { ...more, told: told.slice(0, -1) })
  expect(unheard.events).toMatchObject([{ type: 'message', blocks: [{ text: 'All is blue.' }] }, { type: 'done' }])
  expect(asks).toBe(before)
})

it('runs no command before the consent, and the corrected one after it', { timeout }, async () => {
  const prompt = scripted([bash('touch asked.txt'), { say: 'Done.' }])
  const asked = await run(prompt)
  expect(asked.requests).toMatchObject([{ kind: 'permission', input: { command: 'touch asked.txt' } }])
  expect(await exists('asked.txt')).toBe(false)
  const done = await goOn(prompt, asked, { input: { command: 'touch corrected.txt' } })
  expect(done.last).toMatchObject({ type: 'done' })
  expect([await exists('asked.txt'), await exists('corrected.txt')]).toEqual([false, true])
})

it('does not run what was refused, and tells the agent why', { timeout }, async () => {
  const prompt = scripted([bash('touch no.txt'), { say_last_result: true }])
  const asked = await run(prompt)
  const refused = await goOn(prompt, asked, { decision: 'deny', message: 'not on a Friday' })
  expect(refused.last).toMatchObject({ type: 'done', result: expect.stringContaining('not on a Friday') })
  expect(await exists('no.txt')).toBe(false)
})

it('obeys a rule also in what a person has corrected', { timeout }, async () => {
  const rules = { allow: [], ask: [], deny: ['Bash(git push*)'] }
  const prompt = scripted([bash('ls'), { say_last_result: true }])
  const asked = await run(prompt, { rules })
  const done = await goOn(prompt, asked, { input: { command: 'cd . && git push' } }, { rules })
  expect(done.results).toContain('is not allowed here')
})

it('loses none of several calls in one message: one waits, the others are to be asked for again', {
  timeout,
}, async () => {
  const calls = [{ tool: 'Glob', input: { pattern: '*' } }, bash('touch one'), bash('touch two'), bash('touch three')]
  const prompt = scripted([{ tools: calls }, bash('touch two'), { say: 'All done.' }])
  const first = await run(prompt)
  expect(first.requests).toMatchObject([{ input: { command: 'touch one' } }])
  expect(first.results.match(/another request of yours waits/g)).toHaveLength(2)
  const second = await goOn(prompt, first, {})
  expect(second.requests).toMatchObject([{ input: { command: 'touch two' } }])
  expect([await exists('one'), await exists('two'), await exists('three')]).toEqual([true, false, false])
  const third = await goOn(prompt, second, {})
  expect(third.last).toMatchObject({ type: 'done', result: 'All done.' })
  expect([await exists('two'), await exists('three')]).toEqual([true, false])
})

it('refuses a sub-agent what needs consent, and tells it to hand it up', { timeout }, async () => {
  const below = `Go.\n\`\`\`scripted\n${JSON.stringify([bash('touch below'), { say_last_result: true }])}\n\`\`\``
  const agent = { tool: 'Agent', input: { description: 'b', subagent_type: 'general-purpose', prompt: below } }
  const { last, results } = await run(scripted([agent, { say: 'Back.' }]))
  expect(last).toMatchObject({ type: 'done', result: 'Back.' })
  expect(results).toContain('a sub-agent can’t ask')
  expect(await exists('below')).toBe(false)
})

it('shows a plan as it was written, and carries it out under the mode that was approved', { timeout }, async () => {
  const plan = { tool: 'Write', input: { file_path: '', content: '# Two steps' } }
  plan.input.file_path = join(workspace, '.tutti', 'claude', 'plans', 'quiet-sea.md')
  const write = { tool: 'Write', input: { file_path: join(workspace, 'x.txt'), content: 'x' } }
  const prompt = scripted([plan, { tool: 'ExitPlanMode', input: {} }, write, bash('touch y.txt'), { say: 'Built.' }])
  const planned = await run(prompt, { permission_mode: 'plan' })
  expect(planned.requests).toMatchObject([{ kind: 'plan', input: { plan: '# Two steps' } }])
  const approved = await goOn(prompt, planned, { permission_mode: 'acceptEdits' }, { permission_mode: 'plan' })
  expect(await readFile(join(workspace, 'x.txt'), 'utf8')).toBe('x')
  expect(approved.requests).toMatchObject([{ kind: 'permission', input: { command: 'touch y.txt' } }])
  const done = await goOn(prompt, approved, {}, { permission_mode: 'acceptEdits' })
  expect(done.last).toMatchObject({ type: 'done', result: 'Built.' })
})

it('goes on planning after a plan was refused', { timeout }, async () => {
  const exit = { tool: 'ExitPlanMode', input: { plan: 'A rough plan' } }
  const prompt = scripted([exit, bash('touch z.txt'), { say: 'Thinking on.' }])
  const planned = await run(prompt, { permission_mode: 'plan' })
  expect(planned.requests).toMatchObject([{ input: { plan: 'A rough plan' } }])
  const refused = await goOn(prompt, planned, { decision: 'deny' }, { permission_mode: 'plan' })
  expect(refused.last).toMatchObject({ type: 'done' })
  expect(await exists('z.txt')).toBe(false)
})

it('does not hang when an attempt before this one has taken up the answer already', { timeout }, async () => {
  const prompt = scripted([bash('echo once >> count.txt'), { say: 'Counted.' }])
  const asked = await run(prompt)
  await goOn(prompt, asked, {})
  const again = await goOn(prompt, asked, {})
  expect(again.last).toMatchObject({ type: 'done' })
  expect(await readFile(join(workspace, 'count.txt'), 'utf8')).toBe('once\n')
})

it('begins anew with what was answered where the conversation is lost', { timeout }, async () => {
  const prompt = scripted([{ say: 'Anew.' }])
  const { last } = await run(prompt, {
    continues: true,
    answers: [{ tool_use_id: 'toolu_gone', decision: 'allow', message: 'blue' }],
  })
  expect(last).toMatchObject({ type: 'done', result: 'Anew.' })
})

const otherRun = '00000000-0000-4000-8000-000000000003'

it('says its prompt where the record of the conversation is older than the turn that goes on', {
  timeout,
}, async () => {
  const record = join(workspace, '.tutti')
  const before = await run(scripted([{ say: 'Before.' }]))
  await cp(record, `${workspace}.before`, { recursive: true })
  const prompt = scripted([question, bash('touch made.txt'), { say: 'Made.' }])
  const more = { run_id: otherRun, resume: before.session, permission_mode: 'bypassPermissions' as const }
  const asked = await run(prompt, more)
  expect(asked.last).toMatchObject({ type: 'parked' })
  // The host died before it could store what it had: another one has the files of the turn before.
  await rm(record, { recursive: true })
  await cp(`${workspace}.before`, record, { recursive: true })
  await rm(`${workspace}.before`, { recursive: true })
  const again = await goOn(prompt, asked, { message: 'blue' }, { ...more, attempt: 2 })
  expect(again.last).toMatchObject({ type: 'parked' })
  const done = await goOn(prompt, again, { message: 'blue' }, { ...more, attempt: 3 })
  expect(done.last).toMatchObject({ type: 'done', result: 'Made.' })
  expect(await exists('made.txt')).toBe(true)
})
