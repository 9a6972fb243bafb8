/** An agent asks, and nothing of it stays alive until it is answered: real processes, sandbox, agent SDK and PostgreSQL. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import type { RunView, UserInputRequestView } from '@tutti/contracts'
import { freePort, type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { sandboxRecords } from '../kill/sandbox-records.ts'

const timeout = 180_000
const patience = { timeout: 45_000, interval: 50 }

let root: string
let database: TestDatabase
let model: ScriptedModel
let address: string
let environment: NodeJS.ProcessEnv
let backend: ChildProcess
let manager: ChildProcess

beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'tutti-parking-')))
  database = await testDatabase()
  model = await createScriptedModel({ key: 'a-key' })
  const port = String(await freePort())
  address = `http://127.0.0.1:${port}`
  environment = {
    ...{ PATH: process.env.PATH, HOST: '127.0.0.1', PORT: port, DATABASE_URL: database.connectionString },
    ...{
      INTERNAL_API_TOKEN: 'internal-token-of-tests',
      SECRET_KEY: 'key-of-tests-'.repeat(3),
      LOG_LEVEL: 'ERROR',
      OBJECTS_DIR: join(root, 'objects'),
    },
    ...{ BACKEND_URL: address, WORKSPACE_ROOT: join(root, 'w'), WORKER_ID: 'host-1', SANDBOX_POOL: '0' },
    ...{ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_AUTH_TOKEN: 'a-key', MANAGER_PORT: String(await freePort()) },
  }
  backend = start('backend')
  manager = start('executor-manager')
}, timeout)
afterAll(async () => {
  for (const child of [manager, backend]) await kill(child)
  await model.close()
  await database.drop()
  rmSync(root, { recursive: true, force: true })
}, timeout)

const start = (app: 'backend' | 'executor-manager', more: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(process.execPath, [fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url))], {
    env: { ...environment, ...more },
    stdio: ['ignore', process.env.TUTTI_TEST_LOG ? 'inherit' : 'ignore', 'inherit'],
  })

const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const call = async <T>(path: string, body?: object): Promise<{ status: number; data: T }> => {
  const response = await fetch(`${address}/api/v1${path}`, {
    ...(body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return { status: response.status, data: ((await response.json()) as { data: T }).data }
}

interface Sent {
  session_id: string
  run_id: string
}

const script = (steps: object[]): string => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
const bash = (command: string): object => ({ tool: 'Bash', input: { command } })

const send = async (steps: object[], more: object = {}): Promise<Sent> => {
  const sent = await vi.waitFor(() => call<Sent>('/tasks', { prompt: script(steps), ...more }), patience)
  expect(sent.status).toBe(200)
  return sent.data
}

const until = (run: Sent, status: RunView['status']): Promise<RunView> =>
  vi.waitFor(async () => {
    const { data } = await call<RunView>(`/runs/${run.run_id}`)
    expect(data, JSON.stringify(data)).toMatchObject({ status })
    return data
  }, patience)

const asked = async (run: Sent): Promise<UserInputRequestView> => {
  await until(run, 'waiting')
  const { data } = await call<UserInputRequestView[]>(`/user-input-requests?session_id=${run.session_id}`)
  expect(data).toHaveLength(1)
  return data[0] as UserInputRequestView
}

const answer = (request: UserInputRequestView, body: object) =>
  call<UserInputRequestView>(`/user-input-requests/${request.id}/answer`, body)

const said = async (run: Sent): Promise<string> => {
  const { data } = await call<{ content: unknown }[]>(`/sessions/${run.session_id}/messages`)
  return JSON.stringify(data)
}

const sandboxes = async (): Promise<string[]> => (await sandboxRecords(root, [join(root, 'w')])).map(({ id }) => id)

/** How its hand-outs after the first came about. */
const attemptsOf = async (run: Sent): Promise<string> => {
  const path = `/sessions/${run.session_id}/events?since=0`
  const { data } = await call<{ items: { type: string; timestamp: string; data: object }[] }>(path)
  const told = data.items.filter(({ type }) => ['run.attempt', 'session.status'].includes(type))
  return told.map(({ timestamp, type, data: what }) => `${timestamp} ${type} ${JSON.stringify(what)}`).join('\n')
}

const question = {
  tool: 'AskUserQuestion',
  input: {
    questions: [
      {
        ...{ question: 'Which colour?', header: 'Colour', multiSelect: false },
        options: [
          { label: 'red', description: 'warm' },
          { label: 'blue', description: 'cold' },
        ],
      },
    ],
  },
}

test('question-outlives-every-process-and-the-answer-wakes-it-with-files-and-memory', { timeout }, async () => {
  const run = await send([bash('echo kept > kept.txt'), question, bash('cat kept.txt'), { say_last_result: true }], {
    permission_mode: 'bypassPermissions',
  })
  // Were there none to be seen now, there would be none to be missed later.
  await vi.waitFor(async () => expect(await sandboxes()).toHaveLength(1), patience)
  const request = await asked(run)
  expect(request).toMatchObject({ kind: 'question', tool_name: 'AskUserQuestion' })
  expect(await sandboxes()).toEqual([])
  await Promise.all([kill(manager), kill(backend)])
  backend = start('backend')
  manager = start('executor-manager')
  const answered = await vi.waitFor(() => answer(request, { answers: { 'Which colour?': 'blue' } }), patience)
  expect(answered).toMatchObject({ status: 200, data: { status: 'answered' } })
  // The one that asked, and the one that had the answer.
  expect((await until(run, 'completed')).attempts, await attemptsOf(run)).toBe(2)
  const messages = await said(run)
  expect(messages).toContain('\\"Which colour?\\"=\\"blue\\"')
  expect(messages).toMatch(/"result":"kept/)
})

test('command-runs-after-its-consent-only-and-a-remembered-one-is-not-asked-for-again', { timeout }, async () => {
  const steps = [
    bash('echo x >> made.txt'),
    bash('echo x >> made.txt'),
    bash('cat made.txt'),
    { say_last_result: true },
  ]
  const run = await send(steps)
  const first = await asked(run)
  expect(first.tool_input).toMatchObject({ command: 'echo x >> made.txt' })
  expect((await answer(first, { decision: 'allow', remember: true })).status).toBe(200)
  const last = await vi.waitFor(async () => {
    const request = await asked(run)
    expect(request.id).not.toBe(first.id)
    return request
  }, patience)
  expect(last.tool_input).toMatchObject({ command: 'cat made.txt' })
  expect((await answer(last, { answers: { approved: 'false' }, message: 'I know what is in it' })).status).toBe(200)
  await until(run, 'completed')
  expect(await said(run)).toContain('I know what is in it')
})

test('approved-plan-is-carried-out', { timeout }, async () => {
  const write = { tool: 'Write', input: { file_path: '/workspace/built.txt', content: 'built' } }
  const steps = [{ tool: 'ExitPlanMode', input: { plan: '# Build it' } }, write, { say: 'Built.' }]
  const run = await send(steps, { permission_mode: 'plan' })
  const request = await asked(run)
  expect(request).toMatchObject({ kind: 'plan', tool_input: { plan: '# Build it' } })
  expect((await answer(request, { answers: { approved: 'true' } })).status).toBe(200)
  await until(run, 'completed')
  const { data } = await call<{ path: string }[]>(`/sessions/${run.session_id}/workspace/files`)
  expect(data.map(({ path }) => path)).toContain('/built.txt')
})

test('question-that-nobody-answers-in-time-fails-the-run', { timeout }, async () => {
  const run = await send([question, { say: 'never' }], { config: { answer_timeout_seconds: 0.2 } })
  expect((await until(run, 'failed')).last_error).toContain('QUESTION_EXPIRED')
})

test('cancelled-while-waiting-ends-at-once', { timeout }, async () => {
  const run = await send([question, { say: 'never' }])
  const request = await asked(run)
  const { data } = await call(`/sessions/${run.session_id}/cancel`, {})
  expect(data).toMatchObject({ expired_user_input_requests: 1, executor_cancel_status: 'not_required' })
  await until(run, 'canceled')
  expect((await answer(request, { answers: { 'Which colour?': 'red' } })).status).toBe(410)
})

test('answer-is-taken-up-by-another-manager-on-the-same-host', { timeout }, async () => {
  const run = await send([bash('echo there > f.txt'), question, bash('cat f.txt'), { say_last_result: true }], {
    permission_mode: 'bypassPermissions',
  })
  const request = await asked(run)
  await kill(manager)
  manager = start('executor-manager', { WORKER_ID: 'host-2' })
  expect((await answer(request, { answers: { 'Which colour?': 'red' } })).status).toBe(200)
  expect(await until(run, 'completed')).toMatchObject({ claimed_by: 'host-2' })
  expect(await said(run)).toMatch(/"result":"there/)
})
