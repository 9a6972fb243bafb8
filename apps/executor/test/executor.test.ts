/** The executor as a real process, with the real agent runtime, against a relay and a model of this test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveClaudeExecutable } from '@tutti/agents'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import { isDelta, type Turn } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { executorMain, exitCode } from '../src/index.ts'
import { createFakeRelay, type FakeRelay, isTerminal } from './fake-relay.ts'

const timeout = 60_000

let workspace: string
let model: ScriptedModel
let relay: FakeRelay
let children: ChildProcess[]

beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'tutti-executor-'))
  model = await createScriptedModel({ key: 'the provider key' })
  relay = await createFakeRelay(join(workspace, 'relay.sock'), { url: model.url, key: 'the provider key' })
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await relay.close()
  await model.close()
  await rm(workspace, { recursive: true, force: true, maxRetries: 5 })
})

interface Started {
  child: ChildProcess
  stderr(): string
  exit: Promise<number | null>
}

/** Starts an executor as a manager does: its token in a file that it removes. */
const start = (more: Record<string, string | undefined> = {}): Started => {
  const tokenFile = join(workspace, '.token')
  writeFileSync(tokenFile, relay.token)
  const child = spawn(process.execPath, [executorMain], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: workspace,
      TUTTI_RELAY: relay.socketPath,
      TUTTI_RELAY_TOKEN: `@${tokenFile}`,
      TUTTI_CLAUDE_EXECUTABLE: resolveClaudeExecutable(),
      WORKSPACE_PATH: workspace,
      ...more,
    },
  })
  children.push(child)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    stderr += data
  })
  return { child, stderr: () => stderr, exit: once(child, 'close').then(([code]) => code) }
}

const turn = (prompt: string, more: Partial<Turn> = {}): Turn => ({
  run_id: randomUUID(),
  session_id: randomUUID(),
  attempt: 1,
  runtime: 'claude',
  prompt,
  model: 'claude-sonnet-4-5',
  permission_mode: 'default',
  ...more,
})

const scripted = (steps: unknown[]) => `Play.\n\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
const bash = (command: string) => ({ tool: 'Bash', input: { command } })

const waitFor = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(setImmediate)
}

/** Every promise about the numbers of a turn's events, as a receiver sees them. */
const checkNumbers = (run_id: string): void => {
  const events = relay.received(run_id)
  const stored = events.filter(({ event }) => !isDelta(event))
  expect(stored.map(({ n }) => n)).toEqual(stored.map((_event, index) => index + 1))
  expect(events.filter(({ event }) => isTerminal(event))).toHaveLength(1)
  expect(isTerminal(events.at(-1)?.event ?? { type: 'todo', todos: [] })).toBe(true)
  expect(relay.faults).toEqual([])
}

it('runs turn after turn, with only the relay adding keys, and ends when no turn will come', { timeout }, async () => {
  const first = turn(scripted([bash('env; cat /proc/self/environ'), { say_last_result: true }]))
  const second = turn(scripted([{ say: 'Second.' }]))
  relay.offer(first)
  relay.offer(second)
  const { exit, stderr } = start()
  const done = await relay.until(first.run_id, isTerminal)
  expect(done).toMatchObject({ type: 'done', result: expect.stringContaining('ANTHROPIC_BASE_URL=http://127.0.0.1:') })
  expect(JSON.stringify(done)).not.toContain(relay.token)
  expect(JSON.stringify(done)).not.toContain('the provider key')
  expect(await relay.until(second.run_id, isTerminal)).toMatchObject({ type: 'done', result: 'Second.' })
  relay.endTurns()
  expect(await exit).toBe(exitCode.done)
  checkNumbers(first.run_id)
  checkNumbers(second.run_id)
  expect(relay.modelCalls.length).toBeGreaterThanOrEqual(3)
  expect(new Set(relay.modelCalls.map(({ authorization }) => authorization))).toEqual(
    new Set([`Bearer ${relay.token}`]),
  )
  expect(new Set(relay.modelCalls.map(({ apiKey }) => apiKey))).toEqual(new Set([undefined]))
  expect(stderr()).toBe('')
})

it('keeps its token out of every place where a command of the agent can look', { timeout }, async () => {
  const look = bash(`grep -las -- ${relay.token} /proc/*/environ; env | grep -c TUTTI_RELAY; ls -a`)
  const asked = turn(scripted([look, { say_last_result: true }]))
  relay.offer(asked)
  start()
  const done = await relay.until(asked.run_id, isTerminal)
  const said = done.type === 'done' ? done.result.split('\n') : []
  expect(said.filter((line) => line.endsWith('/environ'))).toEqual([])
  expect(said).toContain('0')
  expect(said).not.toContain('.token')
})

it('sends again what got no receipt, and the receiver ends up with each event once', { timeout }, async () => {
  const asked = turn(scripted([{ say: 'One.' }, bash('echo two'), bash('echo three'), { say: 'Done. '.repeat(100) }]))
  relay.cutBeforeReceiving(2)
  relay.cutAfterReceiving(3)
  relay.offer(asked)
  const { exit } = start()
  expect(await relay.until(asked.run_id, isTerminal)).toMatchObject({ type: 'done' })
  relay.endTurns()
  expect(await exit).toBe(exitCode.done)
  checkNumbers(asked.run_id)
  const stored = relay.received(asked.run_id).filter(({ event }) => !isDelta(event))
  expect(relay.arrivals.length).toBeGreaterThanOrEqual(stored.length + 3)
})

it('outlives a relay that is away in the middle of a turn, for events and for the model', { timeout }, async () => {
  const asked = turn(scripted([bash('touch begun; until test -e go; do sleep 0.02; done'), { say: 'Done.' }]))
  relay.offer(asked)
  const { exit } = start()
  await relay.until(asked.run_id, ({ type }) => type === 'tool_call')
  await relay.goAway()
  // The command ends now, so that its result and the next model call meet a closed door.
  await writeFile(join(workspace, 'go'), '')
  await waitFor(() => existsSync(join(workspace, 'begun')))
  await relay.comeBack()
  expect(await relay.until(asked.run_id, isTerminal)).toMatchObject({ type: 'done', result: 'Done.' })
  relay.endTurns()
  expect(await exit).toBe(exitCode.done)
  checkNumbers(asked.run_id)
})

it('ends at once when another attempt has taken over, with a command still running', { timeout }, async () => {
  const asked = turn(scripted([bash('sleep 300')]))
  relay.offer(asked)
  const { exit } = start()
  await relay.until(asked.run_id, ({ type }) => type === 'started')
  relay.replaceAttempt()
  expect(await exit).toBe(exitCode.replaced)
  expect(relay.received(asked.run_id).some(({ event }) => isTerminal(event))).toBe(false)
})

it('hands over everything before it ends when it is asked to stop in the middle of a turn', { timeout }, async () => {
  const asked = turn(scripted([{ say: 'Before.' }, bash('sleep 300'), { say: 'Never.' }]))
  relay.offer(asked)
  const { child, exit } = start()
  await relay.until(asked.run_id, ({ type }) => type === 'tool_call')
  child.kill('SIGTERM')
  expect(await exit).toBe(exitCode.done)
  expect(relay.received(asked.run_id).at(-1)?.event).toMatchObject({ type: 'error', code: 'interrupted' })
  checkNumbers(asked.run_id)
})

it('ends at once when it is asked to stop while it waits for a turn', { timeout }, async () => {
  const asked = turn(scripted([{ say: 'x' }]))
  relay.offer(asked)
  const { child, exit } = start()
  await relay.until(asked.run_id, isTerminal)
  child.kill('SIGTERM')
  expect(await exit).toBe(exitCode.done)
})

it('remembers in a second sandbox what was said in the first', { timeout }, async () => {
  const first = turn('My boat is called Petrel.')
  relay.offer(first)
  const one = start()
  const done = await relay.until(first.run_id, isTerminal)
  one.child.kill('SIGTERM')
  await one.exit
  const resume = done.type === 'done' ? done.agent_session_id : ''
  const second = turn('What did I say?', { resume, session_id: first.session_id })
  relay.offer(second)
  start()
  expect(await relay.until(second.run_id, isTerminal)).toMatchObject({
    type: 'done',
    agent_session_id: resume,
    result: expect.stringContaining('My boat is called Petrel.'),
  })
})

it('says in one line what is missing, and nothing of the token', { timeout }, async () => {
  const { exit, stderr } = start({ TUTTI_CLAUDE_EXECUTABLE: undefined })
  expect(await exit).toBe(exitCode.failed)
  expect(JSON.parse(stderr())).toMatchObject({
    level: 'error',
    error: expect.stringContaining('TUTTI_CLAUDE_EXECUTABLE'),
  })
  expect(stderr()).not.toContain(relay.token)
})

it('ends instead of asking for ever when its token is not valid', { timeout }, async () => {
  const { exit, stderr } = start({ TUTTI_RELAY_TOKEN: 'one of another sandbox' })
  expect(await exit).toBe(exitCode.failed)
  expect(JSON.parse(stderr())).toMatchObject({ status: 401 })
})

it('hands on what is said while the turn runs, once, although the relay says it again', { timeout }, async () => {
  const asked = turn(scripted([bash('sleep 1'), { say: 'Finished.' }]))
  relay.offer(asked)
  start()
  await relay.until(asked.run_id, ({ type }) => type === 'tool_call')
  relay.say({ n: 1, type: 'message', id: 'm-1', text: 'Mind the tide.' })
  expect(await relay.until(asked.run_id, isTerminal)).toMatchObject({ type: 'done' })
  const steered = relay.received(asked.run_id).filter(({ event }) => event.type === 'steered')
  expect(steered.map(({ event }) => event)).toEqual([{ type: 'steered', id: 'm-1' }])
  checkNumbers(asked.run_id)
})

it('stops its turn when it is told to', { timeout }, async () => {
  const asked = turn(scripted([bash('sleep 300')]))
  relay.offer(asked)
  start()
  await relay.until(asked.run_id, ({ type }) => type === 'tool_call')
  relay.say({ n: 1, type: 'interrupt' })
  expect(await relay.until(asked.run_id, isTerminal)).toMatchObject({ type: 'error', code: 'interrupted' })
})

it('tells what the agent has done to the files before it says that it is done', { timeout }, async () => {
  const asked = turn(scripted([bash('printf "a\\nb\\n" > new.txt'), { say: 'Written.' }]))
  relay.offer(asked)
  start()
  await relay.until(asked.run_id, isTerminal)
  const events = relay.received(asked.run_id).map(({ event }) => event)
  const told = events.filter((event) => event.type === 'file_changes').at(-1)
  expect(told?.file_changes).toEqual([
    expect.objectContaining({ path: 'new.txt', status: 'added', added_lines: 2, deleted_lines: 0 }),
  ])
  checkNumbers(asked.run_id)
})
