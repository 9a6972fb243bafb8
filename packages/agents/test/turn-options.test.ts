/** Every option of a turn, followed to where it counts: what the model is sent, or what the real runtime does. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { scripted, turn, useClaude } from './support/claude.ts'

const timeout = 60_000
const stage = useClaude()

const put = async (path: string, content: string): Promise<void> => {
  const file = join(stage.workspace, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}
const sent = (): string => JSON.stringify(stage.bodies)
const bash = (command: string) => ({ tool: 'Bash', input: { command } })

it('instructions, tools and the folder to work in', { timeout }, async () => {
  await mkdir(join(stage.workspace, 'repo'))
  const asked = turn(scripted([bash('pwd'), { say_last_result: true }]), {
    ...{ instructions: 'Speak like a harbour master.', tools: ['Bash'], cwd: 'repo' },
  })
  const { last } = await stage.run(asked)
  expect(last).toMatchObject({ type: 'done', result: expect.stringContaining(join(stage.workspace, 'repo')) })
  expect(sent()).toContain('Speak like a harbour master.')
  expect(stage.bodies.at(-1)).toMatchObject({ model: 'claude-sonnet-4-5', tools: [{ name: 'Bash' }] })
})

it('a sub-agent with its prompt and its model', { timeout }, async () => {
  const go = 'Go.\n```scripted\n[{"say":"I am below."}]\n```'
  const call = { tool: 'Agent', input: { description: 'd', subagent_type: 'pilot', prompt: go } }
  const agents = {
    pilot: { description: 'Steers ships', prompt: 'You are the pilot of Rotterdam.', model: 'claude-haiku-4-5' },
  }
  const { last } = await stage.run(turn(scripted([call, { say: 'Back.' }]), { agents }))
  expect(last).toMatchObject({ type: 'done', result: 'Back.' })
  const below = stage.bodies.filter((body) => JSON.stringify(body).includes('You are the pilot of Rotterdam.'))
  expect(below).toContainEqual(expect.objectContaining({ model: 'claude-haiku-4-5' }))
})

it('servers: one that works, with its environment, and one that does not, which is seen', { timeout }, async () => {
  const server = fileURLToPath(new URL('support/mcp-server.mjs', import.meta.url))
  const asked = turn(scripted([{ tool: 'mcp__harbour__tide', input: {} }, { say_last_result: true }]), {
    mcp_servers: {
      harbour: { command: process.execPath, args: [server], env: { TIDE: 'low' } },
      wreck: { command: '/nowhere/at-all' },
    },
  })
  const { events, last } = await stage.run(asked)
  expect(last).toMatchObject({ type: 'done', result: expect.stringContaining('The tide is low.') })
  const told = events.filter((event) => event.type === 'mcp_status').at(-1)
  expect(told?.servers).toContainEqual(expect.objectContaining({ server_name: 'harbour', status: 'connected' }))
  expect(told?.servers).toContainEqual(expect.objectContaining({ server_name: 'wreck', status: 'failed' }))
})

it('what was staged as the user’s: CLAUDE.md, a skill, a command, an agent', { timeout }, async () => {
  const front = (name: string) => `---\nname: ${name}\ndescription: The ${name} of the port\n---\n`
  await put('.tutti/claude/CLAUDE.md', 'Never sail on a Friday.')
  await put('.tutti/claude/skills/knots/SKILL.md', `${front('knots')}Tie them twice.`)
  await put('.tutti/claude/agents/boatswain.md', `${front('boatswain')}You pipe.`)
  await put('.tutti/claude/commands/greet.md', 'Greet the captain $ARGUMENTS in full dress.')
  await stage.run(turn('/greet Vega'))
  for (const part of ['Never sail on a Friday.', 'The knots of the port', 'The boatswain of the port'])
    expect(sent()).toContain(part)
  expect(sent()).toContain('Greet the captain Vega in full dress.')
})

it('a plugin’s skill', { timeout }, async () => {
  await put('.tutti/plugins/port/.claude-plugin/plugin.json', JSON.stringify({ name: 'port', version: '1.0.0' }))
  await put(
    '.tutti/plugins/port/skills/crane/SKILL.md',
    '---\nname: crane\ndescription: Lifts what is heavy\n---\nLift.',
  )
  await stage.run(turn('hello', { plugins: ['.tutti/plugins/port'] }))
  expect(sent()).toContain('Lifts what is heavy')
})

it('an answer in the shape that was asked for', { timeout }, async () => {
  const output_schema = {
    ...{ type: 'object', properties: { score: { type: 'number' } } },
    ...{ required: ['score'], additionalProperties: false },
  }
  const give = { tool: 'StructuredOutput', input: { score: 7 } }
  const { last } = await stage.run(turn(scripted([give]), { output_schema }))
  expect(last).toMatchObject({ type: 'done', output: { score: 7 } })
})

it('an answer in another shape is told so once, and then it is an error', { timeout }, async () => {
  // The runtime's own check knows no formats: what fits for it need not fit.
  const output_schema = {
    ...{ type: 'object', properties: { at: { type: 'string', format: 'date' } } },
    ...{ required: ['at'], additionalProperties: false },
  }
  const give = (at: string) => ({ tool: 'StructuredOutput', input: { at } })
  const { last } = await stage.run(turn(scripted([give('soon')]), { output_schema }))
  expect(last).toMatchObject({ type: 'error', code: 'output_invalid', retryable: false })
  expect(sent()).toContain('does not fit the JSON Schema')
})

it('settings that the agent wrote do not switch off what watches its tools, and each call has its own time', {
  timeout,
}, async () => {
  await put('.claude/settings.json', JSON.stringify({ disableAllHooks: true }))
  await put('.tutti/claude/settings.json', JSON.stringify({ disableAllHooks: true }))
  const { events } = await stage.run(turn(scripted([{ tools: [bash('touch a; sleep 2'), bash('touch b')] }])))
  const [slow, quick] = events.flatMap((event) => (event.type === 'tool_result' ? [event.duration_ms ?? 0] : []))
  expect(slow).toBeGreaterThanOrEqual(2_000)
  // By their messages alone the second would have run as long as the first: both were asked for at once.
  expect(quick).toBeLessThan(2_000)
})
