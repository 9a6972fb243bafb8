/** A process of the runtime that was started before its turn was known: with it a turn is what it is without, only sooner. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Turn } from '@tutti/contracts'
import { describe, expect, it } from 'vitest'
import { suitsSpare } from '../src/claude/spare.ts'
import type { AgentRuntime } from '../src/index.ts'
import { scripted, turn, useClaude } from './support/claude.ts'

const stage = useClaude()
const { run, runtime, configDir, processes } = stage
const ahead = async (): Promise<AgentRuntime> => {
  const made = runtime()
  await made.prepare({ ahead: true })
  return made
}
const attended = (prompt: string, more: Partial<Turn> = {}) => turn(prompt, { attended: true, ...more })
const toldOf = (body: unknown) => {
  const { system, tools, model } = body as { system: { text: string }[]; tools: { name: string }[]; model: string }
  const texts = system.map(({ text }) => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|cch=\w+|cc_version=\S+/g, '…'))
  return { texts, tools, model }
}

describe('a runtime that was started ahead', { timeout: 60_000 }, () => {
  it('tells-the-model-the-same-and-does-the-same-work', async () => {
    const asked = attended(scripted([{ tool: 'Bash', input: { command: 'pwd > where.txt' } }, { say: 'Done.' }]), {
      ...{
        instructions: 'Speak like a sailor.',
        permission_mode: 'acceptEdits',
        rules: { allow: ['Bash'], ask: [], deny: [] },
      },
      agents: { mate: { description: 'helps', prompt: 'Help.' } },
    })
    await writeFile(join(stage.workspace, 'CLAUDE.md'), 'Mind the tide.')
    const cold = await run(asked)
    expect(cold.last).toMatchObject({ type: 'done' })
    const [before] = stage.bodies
    await rm(configDir(), { recursive: true })
    stage.bodies.length = 0

    const using = await ahead()
    expect(await processes()).toHaveLength(1)
    const [waiting] = await processes()
    let same = false
    const warm = await run(asked, {
      using,
      on: async ({ type }) => {
        if (type === 'started') same = (await processes()).includes(String(waiting))
      },
    })
    expect(warm.last).toMatchObject({ type: 'done', result: 'Done.' })
    expect(same).toBe(true)
    expect(await readFile(join(stage.workspace, 'where.txt'), 'utf8')).toBe(`${stage.workspace}\n`)
    expect(toldOf(stage.bodies[0])).toEqual(toldOf(before))
    expect(JSON.stringify(stage.bodies[0])).toContain('Mind the tide.')
    expect(JSON.stringify(stage.bodies[0])).toContain('Speak like a sailor.')
    expect(warm.events.map(({ type }) => type)).toEqual(cold.events.map(({ type }) => type))
    expect(await processes()).toEqual([])
    // It is remembered as ever.
    const started = warm.events.find((event) => event.type === 'started')
    const resume = started?.type === 'started' ? started.agent_session_id : ''
    const next = await run(attended(scripted([{ say: 'Again.' }]), { resume }), { using })
    expect(next.last).toMatchObject({ type: 'done', result: 'Again.' })
    expect(JSON.stringify(stage.bodies.at(-1))).toContain('pwd > where.txt')
  })

  it('asks-a-person-and-refuses-what-the-rules-forbid', async () => {
    const denied = await run(
      attended(scripted([{ tool: 'Bash', input: { command: 'touch forbidden' } }, { say: 'No.' }]), {
        ...{ permission_mode: 'bypassPermissions', rules: { allow: [], ask: [], deny: ['Bash(touch *)'] } },
      }),
      { using: await ahead() },
    )
    expect(denied.last).toMatchObject({ type: 'done', result: 'No.' })
    expect(await readdir(stage.workspace)).not.toContain('forbidden')
    await rm(configDir(), { recursive: true })
    const parked = await run(
      attended(scripted([{ tool: 'Bash', input: { command: 'touch asked' } }, { say: 'Never.' }])),
      {
        using: await ahead(),
      },
    )
    expect(parked.last).toMatchObject({ type: 'parked' })
    expect(parked.events).toContainEqual(expect.objectContaining({ type: 'request', kind: 'permission' }))
    expect(await readdir(stage.workspace)).not.toContain('asked')
  })

  it('is-stopped-by-an-interruption', async () => {
    const stop = new AbortController()
    const using = await ahead()
    const { last } = await run(
      attended(scripted([{ tool: 'Bash', input: { command: 'sleep 600' } }]), { permission_mode: 'bypassPermissions' }),
      { using, signal: stop.signal, on: ({ type }) => type === 'tool_call' && stop.abort() },
    )
    expect(last).toMatchObject({ type: 'error', code: 'interrupted' })
    expect(await processes()).toEqual([])
  })

  it('is-not-used-where-the-runtimes-folder-is-another-one-now', async () => {
    const using = await ahead()
    const [waiting] = await processes()
    // As a workspace with files of its own takes the place of the empty one.
    await rename(join(stage.workspace, '.tutti'), join(stage.workspace, 'former'))
    const skill = join(configDir(), 'skills', 'knots')
    await mkdir(skill, { recursive: true })
    await writeFile(
      join(skill, 'SKILL.md'),
      '---\nname: knots\ndescription: Tying knots of all kinds\n---\nTie them.\n',
    )
    const before = await readdir(configDir())
    let ended = false
    const { last } = await run(attended(scripted([{ say: 'Done.' }])), {
      using,
      on: async ({ type }) => {
        if (type === 'started') ended = !(await processes()).includes(String(waiting))
      },
    })
    expect(before).toEqual(['skills'])
    expect(last).toMatchObject({ type: 'done' })
    expect(ended).toBe(true)
    expect(JSON.stringify(stage.bodies[0])).toContain('Tying knots of all kinds')
  })

  it('is-not-used-where-the-workspace-refuses-it-and-the-turn-runs-all-the-same', async () => {
    const using = await ahead()
    await mkdir(join(stage.workspace, '.claude'))
    await writeFile(join(stage.workspace, '.claude', 'settings.json'), JSON.stringify({ env: { SEA: 'salt' } }))
    const { last } = await run(
      attended(scripted([{ tool: 'Bash', input: { command: 'echo "$SEA" > env.txt' } }, { say: 'Done.' }]), {
        permission_mode: 'bypassPermissions',
      }),
      { using },
    )
    expect(last).toMatchObject({ type: 'done', result: 'Done.' })
    expect(await readFile(join(stage.workspace, 'env.txt'), 'utf8')).toBe('salt\n')
    expect(await processes()).toEqual([])
  })

  it('is-ended-by-who-has-no-use-for-it', async () => {
    const using = await ahead()
    expect(await processes()).toHaveLength(1)
    await using.discard?.()
    await using.discard?.()
    expect(await processes()).toEqual([])
    expect((await run(attended(scripted([{ say: 'Done.' }])), { using })).last).toMatchObject({ type: 'done' })
  })

  it('says-its-prompt-when-what-it-waits-for-is-ready', async () => {
    const ready = Promise.withResolvers<void>()
    const running = run(attended(scripted([{ say: 'Done.' }])), { ready: ready.promise })
    // The runtime starts meanwhile.
    while ((await processes()).length === 0) await delay(10)
    await delay(1_500)
    expect(stage.bodies).toEqual([])
    ready.resolve()
    expect((await running).last).toMatchObject({ type: 'done', result: 'Done.' })
    expect(stage.bodies).toHaveLength(1)
  })
})

describe('the turns that it suits', () => {
  it.each<[string, Partial<Turn>]>([
    ['nobody is there to be asked', { attended: false }],
    ['a plan is made', { permission_mode: 'plan' }],
    ['a conversation goes on', { resume: 's' }],
    ['a call is taken up', { continues: true }],
    ['it has other tools', { tools: ['Read'] }],
    ['its steps are limited', { max_turns: 1 }],
    ['its answer has a shape', { output_schema: {} }],
    ['it has a server', { mcp_servers: { one: { type: 'stdio', command: 'one' } } }],
    ['it has a plugin', { plugins: ['one'] }],
    ['it has a browser', { browser: true }],
    ['it has a memory', { memory: true }],
  ])('not-one-in-which-%s', (_, more) => {
    expect(suitsSpare(attended('x'))).toBe(true)
    expect(suitsSpare(attended('x', { mcp_servers: {}, plugins: [], permission_mode: 'bypassPermissions' }))).toBe(true)
    expect(suitsSpare(attended('x', more))).toBe(false)
  })
})
