/** A process that waits for its conversation's next turn: with it a turn is what it is with a new one, only sooner. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentEvent, Turn } from '@tutti/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { mayRest } from '../src/claude/resting.ts'
import type { AgentRuntime } from '../src/index.ts'
import { scripted, turn, useClaude } from './support/claude.ts'

const stage = useClaude()
const { configDir, processes } = stage
const made: AgentRuntime[] = []
const resting = (): AgentRuntime => {
  const runtime = stage.runtime({ rests: true })
  made.push(runtime)
  return runtime
}
afterEach(async () => {
  await Promise.all(made.splice(0).map((runtime) => runtime.discard?.()))
})

const bash = (command: string) => ({ tool: 'Bash', input: { command } })
const asked = (steps: unknown[], more: Partial<Turn> = {}) =>
  turn(scripted(steps), { attended: true, permission_mode: 'bypassPermissions', ...more })
const sessionOf = (events: AgentEvent[]): string => {
  const started = events.find((event) => event.type === 'started')
  return started?.type === 'started' ? started.agent_session_id : ''
}
/** A turn after which a process waits; `next` plays the conversation's next one. */
const begin = async (steps: unknown[], more: Partial<Turn> = {}) => {
  const using = resting()
  const first = await stage.run(asked(steps, more), { using })
  expect(first.last).toMatchObject({ type: 'done' })
  const resume = sessionOf(first.events)
  const waiting = await processes()
  /** Whether the process that waited serves it is seen when the agent begins. */
  const next = async (nextSteps: unknown[], nextMore: Partial<Turn> = {}) => {
    let served: Promise<boolean> = Promise.resolve(false)
    const on = ({ type }: AgentEvent): void => {
      if (type === 'started') served = processes().then((now) => now.some((pid) => waiting.includes(pid)))
    }
    const played = await stage.run(asked(nextSteps, { ...more, resume, ...nextMore }), { using, on })
    return { ...played, served: await served }
  }
  return { first, next, resume, using, waiting }
}
/** What the model is told, without the numbers that every request has of its own. */
const toldOf = (body: unknown) => {
  const { system, tools, messages } = body as { system: { text: string }[]; tools: unknown; messages: unknown }
  const plain = JSON.stringify({ system: system.map(({ text }) => text), tools, messages })
  return plain.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|cch=\w+|cc_version=\S+|,?\\?"cache_control\\?":\{[^}]*\}/g, '…')
}

describe('a process that waits for the next turn', { timeout: 60_000 }, () => {
  it('serves-the-next-turn-and-tells-the-model-what-a-new-one-would', async () => {
    const { first, next, resume, using, waiting } = await begin([bash('echo one > one.txt'), { say: 'One.' }])
    expect(waiting).toHaveLength(1)
    const requests = stage.requests.length
    // The conversation as it is now, for a process of its own.
    const record = (await readdir(configDir(), { recursive: true })).find((name) => name.endsWith(`${resume}.jsonl`))
    const before = await readFile(join(configDir(), String(record)), 'utf8')
    const steps = [bash('cat one.txt'), { say: 'Two.' }]
    const warm = await next(steps)
    expect(warm.served).toBe(true)
    expect(warm.last).toMatchObject({ type: 'done', result: 'Two.', agent_session_id: resume })
    const told = stage.bodies.slice(requests).map(toldOf)
    expect(await processes()).toEqual(waiting)
    await using.discard?.()
    expect(await processes()).toEqual([])

    await writeFile(join(configDir(), String(record)), before)
    stage.bodies.length = 0
    const cold = await next(steps)
    expect(cold.served).toBe(false)
    expect(warm.events.map(({ type }) => type)).toEqual(cold.events.map(({ type }) => type))
    expect(told).toHaveLength(stage.bodies.length)
    expect(told.at(-1)).toBe(toldOf(stage.bodies.at(-1)))
    const account = ({ last }: Pick<typeof first, 'last'>) => (last?.type === 'done' ? [last.usage, last.turns] : [])
    expect(account(warm)).toEqual(account(cold))
    expect(account(warm)).not.toEqual(account(first))
  })

  it('has-written-the-conversation-down-when-its-turn-ends-and-says-nothing-more', async () => {
    const { resume, using } = await begin([bash('echo "the word is albatross"'), { say: 'I have said it.' }])
    const requests = stage.requests.length
    // As when its sandbox is closed, or its host dies.
    await using.discard?.()
    expect(await processes()).toEqual([])
    const { last } = await stage.run(asked([{ say: 'Again.' }], { resume }))
    expect(last).toMatchObject({ type: 'done', result: 'Again.', agent_session_id: resume })
    expect(stage.requests.length).toBe(requests + 1)
    const told = JSON.stringify(stage.bodies.at(-1))
    for (const said of ['the word is albatross', 'I have said it.']) expect(told).toContain(said)
  })

  it('costs-what-it-costs-whether-it-waits-or-is-gone', async () => {
    const { first, next, resume, using } = await begin([{ say: 'One.' }])
    const second = await next([{ say: 'One.' }])
    await using.discard?.()
    // Neither what was spent before it, nor less than its own.
    const third = await stage.run(asked([{ say: 'One.' }], { resume }))
    const fourth = await stage.run(asked([{ say: 'One.' }], { resume }))
    const inputs = [first, second, third, fourth].map(({ last }) =>
      last?.type === 'done' ? last.usage.input_tokens + last.usage.cache_read_input_tokens : 0,
    )
    const growth = inputs.slice(1).map((tokens, at) => tokens - (inputs[at] ?? 0))
    for (const tokens of growth) {
      expect(tokens).toBeGreaterThan(0)
      expect(tokens).toBeLessThan((inputs[0] ?? 0) / 2)
    }
  })

  it('asks-by-the-rules-of-the-turn-that-it-serves', async () => {
    const { next } = await begin([{ say: 'One.' }], { permission_mode: 'default' })
    const refused = await next([bash('touch forbidden'), { say: 'No.' }], {
      rules: { allow: [], ask: [], deny: ['Bash(touch *)'] },
    })
    expect(refused.last).toMatchObject({ type: 'done', result: 'No.' })
    expect(await processes()).toHaveLength(1)
    const parked = await next([bash('touch asked'), { say: 'Never.' }])
    expect(parked.last).toMatchObject({ type: 'parked' })
    expect(parked.events).toContainEqual(expect.objectContaining({ type: 'request', kind: 'permission' }))
    const there = await readdir(stage.workspace)
    expect(there.filter((name) => ['forbidden', 'asked'].includes(name))).toEqual([])
    expect(await processes()).toEqual([])
  })

  it.each<[string, Partial<Turn>]>([
    ['mode', { permission_mode: 'acceptEdits' }],
    ['model', { model: 'claude-haiku-4-5' }],
    ['instructions', { instructions: 'Speak like a sailor.' }],
    ['tools', { tools: ['Read'] }],
    ['audience', { attended: false }],
    ['steps', { max_turns: 5 }],
  ])('is-not-used-for-a-turn-with-another-%s', async (_, more) => {
    const { next, waiting } = await begin([{ say: 'One.' }])
    expect(waiting).toHaveLength(1)
    const { last, served } = await next([{ say: 'Two.' }], more)
    expect(last).toMatchObject({ type: 'done', result: 'Two.' })
    expect(served).toBe(false)
    expect(await processes()).not.toContain(waiting[0])
  })

  it('is-not-used-for-another-conversation', async () => {
    const { next, using, waiting } = await begin([{ say: 'One.' }])
    const { resume: _none, ...anew } = asked([{ say: 'Two.' }])
    const other = await stage.run(anew, { using })
    expect(other.last).toMatchObject({ type: 'done', result: 'Two.' })
    expect(JSON.stringify(stage.bodies.at(-1))).not.toContain('One.')
    expect(await processes()).not.toContain(waiting[0])
    // And back, of which this one knows nothing.
    expect((await next([{ say: 'Three.' }])).last).toMatchObject({ type: 'done', result: 'Three.' })
    expect(JSON.stringify(stage.bodies.at(-1))).toContain('One.')
  })

  it('is-not-used-when-its-conversation-was-put-back', async () => {
    const { next, resume } = await begin([{ say: 'One.' }])
    const record = (await readdir(configDir(), { recursive: true })).find((name) => name.endsWith(`${resume}.jsonl`))
    const path = join(configDir(), String(record))
    const before = await readFile(path, 'utf8')
    await next([{ say: 'Regretted.' }])
    await writeFile(`${path}.new`, before)
    await rename(`${path}.new`, path)
    expect((await next([{ say: 'Three.' }])).last).toMatchObject({ type: 'done', result: 'Three.' })
    const told = JSON.stringify(stage.bodies.at(-1))
    expect(told).toContain('One.')
    expect(told).not.toContain('Regretted.')
  })

  it.each<[string, string]>([
    ['CLAUDE.md', 'printf "Mind the %s." moon > CLAUDE.md'],
    ['settings', 'mkdir .claude && echo \'{"env":{"SEA":"salt"}}\' > .claude/settings.json'],
    ['a-skill', 'mkdir -p .claude/skills/knots && printf "Tie %s." knots > .claude/skills/knots/SKILL.md'],
    ['a-server', 'echo \'{"mcpServers":{}}\' > .mcp.json'],
  ])('is-not-used-when-the-agent-has-written-%s', async (what, command) => {
    await writeFile(join(stage.workspace, 'CLAUDE.md'), 'Mind the tide.')
    const { next } = await begin([bash(command), { say: 'One.' }])
    expect((await next([bash('echo "$SEA" > sea.txt'), { say: 'Two.' }])).served).toBe(false)
    expect(JSON.stringify(stage.bodies.at(-1))).toContain(what === 'CLAUDE.md' ? 'Mind the moon.' : 'Mind the tide.')
    expect(await readFile(join(stage.workspace, 'sea.txt'), 'utf8')).toBe(what === 'settings' ? 'salt\n' : '\n')
  })

  it('does-not-wait-where-it-could-not-tell-that-its-instructions-changed', async () => {
    await writeFile(join(stage.workspace, 'CLAUDE.md'), 'See @docs/manners.md')
    await begin([{ say: 'One.' }])
    expect(await processes()).toEqual([])
  })

  it('does-not-wait-when-its-shell-has-gone-elsewhere', async () => {
    await mkdir(join(stage.workspace, 'below'))
    const { next } = await begin([bash('cd below && pwd'), { say: 'One.' }])
    expect(await processes()).toEqual([])
    await next([bash('pwd > where.txt'), { say: 'Two.' }])
    expect(await readFile(join(stage.workspace, 'where.txt'), 'utf8')).toBe(`${stage.workspace}\n`)
  })

  it('one-that-died-while-it-waited-costs-no-turn', async () => {
    const { next, waiting } = await begin([bash('echo kept'), { say: 'One.' }])
    process.kill(Number(waiting[0]), 'SIGKILL')
    const { last } = await next([{ say: 'Two.' }])
    expect(last).toMatchObject({ type: 'done', result: 'Two.' })
    expect(JSON.stringify(stage.bodies.at(-1))).toContain('kept')
  })

  it('an-interrupted-turn-leaves-none', async () => {
    const { resume, using } = await begin([{ say: 'One.' }])
    const stop = new AbortController()
    const { last } = await stage.run(asked([bash('sleep 600'), { say: 'Never.' }], { resume }), {
      ...{ using, signal: stop.signal },
      on: ({ type }) => type === 'tool_call' && stop.abort(),
    })
    expect(last).toMatchObject({ type: 'error', code: 'interrupted' })
    expect(await processes()).toEqual([])
  })

  it('leaves-nothing-of-one-that-was-killed-for-the-next', async () => {
    const { next, using } = await begin([bash('true'), { say: 'One.' }])
    await using.discard?.()
    const left = await readdir(join(configDir(), 'sessions'))
    expect(left.length).toBeGreaterThan(0)
    await next([{ say: 'Two.' }])
    expect((await readdir(join(configDir(), 'sessions'))).filter((name) => left.includes(name))).toEqual([])
  })
})

describe('the turns that may leave their process', () => {
  it.each<[string, Partial<Turn>]>([
    ['a plan is made', { permission_mode: 'plan' }],
    ['a call is taken up', { continues: true }],
    ['its steps are limited', { max_turns: 1 }],
    ['its answer has a shape', { output_schema: {} }],
    ['it has a server', { mcp_servers: { one: { type: 'stdio', command: 'one' } } }],
    ['it has a plugin', { plugins: ['one'] }],
    ['it has a browser', { browser: true }],
    ['it has a memory', { memory: true }],
  ])('not-one-in-which-%s', (_, more) => {
    expect(mayRest(turn('x'))).toBe(true)
    expect(mayRest(turn('x', { mcp_servers: {}, plugins: [], resume: 's', tools: ['Read'] }))).toBe(true)
    expect(mayRest(turn('x', more))).toBe(false)
  })
})
