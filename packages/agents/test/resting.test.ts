/** A process that waits for its conversation's next turn: with it a turn is what it is with a new one, only sooner. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentEvent, Turn } from '@tutti/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { mayRest } from '../src/claude/resting.ts'
import type { AgentRuntime } from '../src/index.ts'
import { scripted, turn, useClaude } from './support/claude.ts'

const stage = useClaude()
const configDir = () => join(stage.workspace, '.tutti', 'claude')
const made: AgentRuntime[] = []
const resting = (): AgentRuntime => {
  const runtime = stage.runtime({ rests: true })
  made.push(runtime)
  return runtime
}
afterEach(async () => {
  await Promise.all(made.splice(0).map((runtime) => runtime.discard?.()))
})

/** Of this test alone: each has its folder. */
const processes = async (): Promise<string[]> => {
  const found = await Promise.all(
    (await readdir('/proc')).map(async (pid) => {
      const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      return environ.split('\0').includes(`CLAUDE_CONFIG_DIR=${configDir()}`) ? [pid] : []
    }),
  )
  return found.flat()
}
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
  const next = (nextSteps: unknown[], nextMore: Partial<Turn> = {}) =>
    stage.run(asked(nextSteps, { ...more, resume, ...nextMore }), { using })
  return { first, next, resume, using }
}
/** What the model is told, without the numbers that every request has of its own. */
const toldOf = (body: unknown) => {
  const { system, tools, messages } = body as { system: { text: string }[]; tools: unknown; messages: unknown }
  const plain = JSON.stringify({ system: system.map(({ text }) => text), tools, messages })
  return plain.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|cch=\w+|cc_version=\S+|,?\\?"cache_control\\?":\{[^}]*\}/g, '…')
}

describe('a process that waits for the next turn', { timeout: 60_000 }, () => {
  it('serves-the-next-turn-and-tells-the-model-what-a-new-one-would', async () => {
    const { first, next, resume } = await begin([bash('echo one > one.txt'), { say: 'One.' }])
    const [waiting, ...more] = await processes()
    expect(more).toEqual([])
    const requests = stage.requests.length
    // The conversation as it is now, for a process of its own.
    const record = (await readdir(configDir(), { recursive: true })).find((name) => name.endsWith(`${resume}.jsonl`))
    const before = await readFile(join(configDir(), String(record)), 'utf8')
    let same = false
    const using = made[0]
    const steps = [bash('cat one.txt'), { say: 'Two.' }]
    const warm = await stage.run(asked(steps, { resume }), {
      ...(using === undefined ? {} : { using }),
      on: async ({ type }) => {
        if (type === 'started') same = (await processes()).includes(String(waiting))
      },
    })
    expect(same).toBe(true)
    expect(warm.last).toMatchObject({ type: 'done', result: 'Two.', agent_session_id: resume })
    const told = stage.bodies.slice(requests).map(toldOf)
    await using?.discard?.()
    expect(await processes()).toEqual([])

    await writeFile(join(configDir(), String(record)), before)
    stage.bodies.length = 0
    const cold = await stage.run(asked(steps, { resume }))
    expect(warm.events.map(({ type }) => type)).toEqual(cold.events.map(({ type }) => type))
    expect(told).toHaveLength(stage.bodies.length)
    expect(told.at(-1)).toBe(toldOf(stage.bodies.at(-1)))
    const account = ({ last }: typeof warm) => (last?.type === 'done' ? [last.usage, last.turns] : [])
    expect(account(warm)).toEqual(account(cold))
    expect(account(warm)).not.toEqual(account(first))
    // And once more, which makes three turns of one process.
    expect((await next([{ say: 'Three.' }])).last).toMatchObject({ type: 'done', result: 'Three.' })
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
    const { next } = await begin([{ say: 'One.' }])
    const [waiting] = await processes()
    expect((await next([{ say: 'Two.' }], more)).last).toMatchObject({ type: 'done', result: 'Two.' })
    expect(await processes()).not.toContain(waiting)
  })

  it('is-not-used-for-another-conversation', async () => {
    const { next } = await begin([{ say: 'One.' }])
    const [waiting] = await processes()
    const { resume: _none, ...anew } = asked([{ say: 'Two.' }])
    const other = await stage.run(anew, { using: made[0] ?? resting() })
    expect(other.last).toMatchObject({ type: 'done', result: 'Two.' })
    expect(JSON.stringify(stage.bodies.at(-1))).not.toContain('One.')
    expect(await processes()).not.toContain(waiting)
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

  it.each<[string, string, string]>([
    ['CLAUDE.md', 'echo Mind the moon. > CLAUDE.md', 'Mind the moon.'],
    [
      'a-skill',
      'mkdir -p .claude/skills/knots && printf -- "---\\nname: knots\\ndescription: Tying knots of all kinds\\n---\\nTie.\\n" > .claude/skills/knots/SKILL.md',
      'Tying knots of all kinds',
    ],
  ])('is-not-used-when-the-agent-has-written-%s', async (_, command, expected) => {
    await writeFile(join(stage.workspace, 'CLAUDE.md'), 'Mind the tide.')
    const { next } = await begin([bash(command), { say: 'One.' }])
    await next([{ say: 'Two.' }])
    expect(JSON.stringify(stage.bodies.at(-1))).toContain(expected)
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
    const { next } = await begin([bash('echo kept'), { say: 'One.' }])
    const [waiting] = await processes()
    process.kill(Number(waiting), 'SIGKILL')
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
    const { using, resume } = await begin([bash('true'), { say: 'One.' }])
    await using.discard?.()
    const left = await readdir(join(configDir(), 'sessions'))
    expect(left.length).toBeGreaterThan(0)
    await stage.run(asked([{ say: 'Two.' }], { resume }))
    const now = await readdir(join(configDir(), 'sessions')).catch(() => [])
    expect(now.filter((name) => left.includes(name))).toEqual([])
    await rm(configDir(), { recursive: true })
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
