/** The real Claude Agent SDK and its real tools against the scripted model, in a folder of this machine. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TurnCommand } from '@tutti/contracts'
import { expect, it } from 'vitest'
import { scripted, turn, useClaude } from './support/claude.ts'

const timeout = 60_000
const stage = useClaude()
const { run, runtime } = stage

it('measures, looks and writes the report of a folder with the runtime’s real tools', { timeout }, async () => {
  await mkdir(join(stage.workspace, 'folder', 'docs'), { recursive: true })
  await writeFile(join(stage.workspace, 'folder', 'README.md'), '# The Harbour\n\nShips come in at dawn.\n')
  await writeFile(join(stage.workspace, 'folder', 'docs', 'a.txt'), 'a')
  await writeFile(join(stage.workspace, 'measurement.json'), JSON.stringify({ files: 2, words: 8, largest: [] }))
  const { events, last } = await run(turn('`measurement.json` and `folder/` are here. Write REPORT.md.'))
  expect(last).toMatchObject({ type: 'done', result: expect.stringContaining('I wrote `REPORT.md`') })
  const report = await readFile(join(stage.workspace, 'REPORT.md'), 'utf8')
  expect(report).toContain('| Words | 8 |')
  expect(report).toContain('headed “The Harbour”')
  expect(report).toContain('> Ships come in at dawn.')
  expect(report).not.toContain('went wrong')
  const lists = events.filter((event) => event.type === 'todo')
  expect(lists.at(-1)?.todos.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
  const calls = events.filter((event) => event.type === 'tool_call').map((event) => event.tool_use_id)
  const results = events.filter((event) => event.type === 'tool_result').map((event) => event.tool_use_id)
  expect(results.toSorted()).toEqual(calls.toSorted())
})

it('streams text before it is complete, retries an overloaded provider, follows a sub-agent', { timeout }, async () => {
  const sub = 'Go.\n```scripted\n[{"tool":"Bash","input":{"command":"echo from below"}},{"say":"below"}]\n```'
  const { events, last } = await run(
    turn(
      scripted([
        { fail: 529 },
        { think: 'Let me see.' },
        { tool: 'Agent', input: { description: 'below', subagent_type: 'general-purpose', prompt: sub } },
        { say: 'A long answer. '.repeat(20) },
      ]),
    ),
  )
  expect(last).toMatchObject({ type: 'done', result: expect.stringContaining('A long answer.') })
  expect(stage.requests.map(({ status }) => status)).toContain(529)
  const agent = events.find((event) => event.type === 'tool_call' && event.name === 'Agent')
  const parent = agent?.type === 'tool_call' ? agent.tool_use_id : 'none'
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'tool_call', name: 'Bash', parent_tool_use_id: parent }),
  )
  const live = events.filter((event) => event.type === 'text_delta' && event.parent_tool_use_id === null)
  expect(live.map((event) => (event.type === 'text_delta' ? event.text : '')).join('')).toBe(
    'A long answer. '.repeat(20),
  )
})

it('remembers the turn before in a new process, and bills each turn for itself', { timeout }, async () => {
  const first = await run(turn('My boat is called Petrel.'))
  const session = first.last?.type === 'done' ? first.last.agent_session_id : ''
  const second = await run(turn('What did I say?', { resume: session }))
  expect(second.last).toMatchObject({ type: 'done', agent_session_id: session })
  expect(second.last?.type === 'done' && second.last.result).toContain('My boat is called Petrel.')
  const [before, after] = [first, second].map(({ last }) => (last?.type === 'done' ? last.usage.input_tokens : 0))
  expect(after).toBeLessThan((before ?? 0) * 1.5)
})

it('stops a running tool when it is interrupted, and can be resumed after', { timeout }, async () => {
  const stop = new AbortController()
  let session = ''
  const { last } = await run(turn(scripted([{ tool: 'Bash', input: { command: 'sleep 300' } }])), {
    signal: stop.signal,
    on: (event) => {
      if (event.type === 'started') session = event.agent_session_id
      if (event.type === 'tool_call') stop.abort()
    },
  })
  expect(last).toMatchObject({ type: 'error', code: 'interrupted' })
  const after = await run(turn(scripted([{ say: 'Here again.' }]), { resume: session }))
  expect(after.last).toMatchObject({ type: 'done', result: 'Here again.' })
})

it('changes nothing in plan mode', { timeout }, async () => {
  const write = { tool: 'Write', input: { file_path: join(stage.workspace, 'x.txt'), content: 'x' } }
  const touch = { tool: 'Bash', input: { command: 'touch y.txt' } }
  const { last } = await run(
    turn(scripted([{ tools: [write, touch] }, { say: 'Planned.' }]), { permission_mode: 'plan' }),
  )
  expect(last).toMatchObject({ type: 'done' })
  await expect(readFile(join(stage.workspace, 'x.txt'))).rejects.toThrow('ENOENT')
  await expect(readFile(join(stage.workspace, 'y.txt'))).rejects.toThrow('ENOENT')
})

it('ends a turn at its limit of steps as an error', { timeout }, async () => {
  const look = { tool: 'Bash', input: { command: 'true' } }
  const { last } = await run(turn(scripted([look, look, { say: 'done' }]), { max_turns: 1 }))
  expect(last).toMatchObject({ type: 'error', code: 'max_turns' })
})

it.each([
  ['a key that the provider refuses', { authToken: 'wrong' }, {}, { code: 'model_error', retryable: false }],
  ['a session that is not there', {}, { resume: '11111111-1111-4111-8111-111111111111' }, { code: 'invalid_turn' }],
  [
    'an executable that is not there',
    { executable: '/nowhere/claude' },
    {},
    { code: 'runtime_failed', retryable: false },
  ],
])('ends with an error, and throws nothing, for %s', { timeout }, async (_name, config, more, expected) => {
  const { last } = await run(turn(scripted([{ say: 'x' }]), more), { using: runtime(config) })
  expect(last).toMatchObject({ type: 'error', ...expected })
})

it('does not start anything for a turn that is interrupted already', async () => {
  const { events } = await run(turn('hello'), { signal: AbortSignal.abort() })
  expect(events).toHaveLength(1)
  expect(stage.requests).toHaveLength(0)
})

/** Commands that a test gives while a turn runs. */
const commandsFor = () => {
  const given: TurnCommand[] = []
  let changed = Promise.withResolvers<void>()
  const stream = async function* (): AsyncGenerator<TurnCommand> {
    for (let at = 0; ; ) {
      const next = given[at]
      if (next === undefined) await changed.promise
      else {
        at += 1
        yield next
      }
    }
  }
  return {
    stream: stream(),
    give: (command: TurnCommand) => {
      given.push(command)
      changed.resolve()
      changed = Promise.withResolvers()
    },
  }
}

it('takes in what is said while a tool runs, in the same turn, and says when', { timeout }, async () => {
  const commands = commandsFor()
  const id = 'not a number that the runtime would take'
  const { events, last } = await run(
    turn(scripted([{ tool: 'Bash', input: { command: 'sleep 1; echo slept' } }, { say: 'Finished.' }])),
    {
      commands: commands.stream,
      on: (event) => {
        if (event.type === 'tool_call') commands.give({ n: 1, type: 'message', id, text: 'Look at the harbour too.' })
      },
    },
  )
  expect(last).toMatchObject({ type: 'done' })
  const kinds = events.map(({ type }) => type)
  expect(events.filter(({ type }) => type === 'steered')).toEqual([{ type: 'steered', id }])
  expect(kinds.indexOf('steered')).toBeGreaterThan(kinds.indexOf('tool_result'))
  expect(JSON.stringify(stage.bodies.at(-1))).toContain('Look at the harbour too.')
})

it('goes on with what was said while it gave its answer, and counts both parts as one turn', { timeout }, async () => {
  const commands = commandsFor()
  let given = false
  const { events, last } = await run(turn(scripted([{ say: 'A long first answer. '.repeat(200) }])), {
    commands: commands.stream,
    on: (event) => {
      if (event.type === 'text_delta' && !given) {
        given = true
        commands.give({ n: 1, type: 'message', id: 'late', text: scripted([{ say: 'And a second one.' }]) })
      }
    },
  })
  expect(last).toMatchObject({ type: 'done', result: 'And a second one.', turns: 2 })
  expect(events).toContainEqual({ type: 'steered', id: 'late' })
})

it('is stopped by a command, and is not to be tried again by itself then', { timeout }, async () => {
  const commands = commandsFor()
  const { last } = await run(turn(scripted([{ tool: 'Bash', input: { command: 'sleep 300' } }])), {
    commands: commands.stream,
    on: (event) => {
      if (event.type === 'tool_call') commands.give({ n: 1, type: 'interrupt' })
    },
  })
  expect(last).toMatchObject({ type: 'error', code: 'interrupted', retryable: false })
})
