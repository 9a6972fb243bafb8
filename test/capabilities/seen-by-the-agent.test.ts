/**
 * Everything that a user gives to agents, to the last metre: real processes, PostgreSQL, sandbox and agent SDK; what arrived is read
 * off what the model is sent.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import type { RunView } from '@tutti/contracts'
import { freePort, type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'

const timeout = 180_000
const patience = { timeout: 60_000, interval: 50 }
const secret = 'tide-of-the-secret-bay'
/** In the server's environment only. */
const untold = 'what-lies-in-the-hold'

let root: string
let database: TestDatabase
let model: ScriptedModel
let address: string
let log = ''
/** Of the run at hand: what the model was sent, whole. */
let bodies: string[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'tutti-capabilities-'))
  database = await testDatabase()
  model = await createScriptedModel({ key: 'a-key', asked: (body) => bodies.push(JSON.stringify(body)) })
  const port = String(await freePort())
  address = `http://127.0.0.1:${port}`
  const env = {
    ...{ PATH: process.env.PATH, HOST: '127.0.0.1', PORT: port, DATABASE_URL: database.connectionString },
    ...{ INTERNAL_API_TOKEN: 'internal-token-of-tests', SECRET_KEY: 'key-of-tests-'.repeat(3), LOG_LEVEL: 'DEBUG' },
    ...{
      BACKEND_URL: address,
      WORKSPACE_ROOT: join(root, 'w'),
      SANDBOX_POOL: '0',
      WORKER_ID: 'host-1',
      OBJECTS_DIR: join(root, 'objects'),
    },
    ...{ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_AUTH_TOKEN: 'a-key', MANAGER_PORT: String(await freePort()) },
  }
  for (const app of ['backend', 'executor-manager']) {
    const main = fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url))
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text
        if (process.env.TUTTI_TEST_LOG) process.stdout.write(text)
      })
    children.push(child)
  }
  await vi.waitFor(async () => expect((await call('GET', '/env-vars')).status).toBe(200), patience)
}, timeout)
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await model.close()
  await database.drop()
  rmSync(root, { recursive: true, force: true })
}, timeout)
beforeEach(() => {
  bodies = []
})

const call = async <T>(method: string, path: string, body?: object): Promise<{ status: number; data: T }> => {
  const response = await fetch(`${address}/api/v1${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch(() => undefined)
  if (response === undefined) return { status: 0, data: undefined as T }
  return { status: response.status, data: ((await response.json()) as { data: T }).data }
}
const made = async (path: string, body: object, method = 'POST'): Promise<number> => {
  const { status, data } = await call<{ id: number }>(method, path, body)
  expect(status, JSON.stringify(data)).toBe(200)
  return data.id
}

interface Sent {
  session_id: string
  run_id: string
}
const script = (steps: object[]): string => `\`\`\`scripted\n${JSON.stringify(steps)}\n\`\`\``
const send = async (prompt: string, config: object = {}, more: object = {}): Promise<Sent> => {
  const body = { prompt, config, permission_mode: 'bypassPermissions', ...more }
  const { status, data } = await call<Sent>('POST', '/tasks', body)
  expect(status, JSON.stringify(data)).toBe(200)
  return data
}
const ended = (run: Sent, status: RunView['status'] = 'completed'): Promise<RunView> =>
  vi.waitFor(async () => {
    const { data } = await call<RunView>('GET', `/runs/${run.run_id}`)
    expect(data, JSON.stringify(data)).toMatchObject({ status })
    return data
  }, patience)
const said = async (run: Sent): Promise<string> =>
  JSON.stringify((await call('GET', `/sessions/${run.session_id}/messages`)).data)
const sent = (): string => bodies.join('\n')
const filesWith = (text: string, folder: string): string =>
  execFileSync('sh', ['-c', 'grep -rl -e "$1" "$2" || true', 'sh', text, folder]).toString()
const workspace = ({ session_id }: Sent): string => join(root, 'w/active/default', session_id, 'workspace')

const mcpServer = readFileSync(new URL('../../packages/agents/test/support/mcp-server.mjs', import.meta.url), 'utf8')
const front = (name: string, more = ''): string =>
  `---\nname: ${name}\ndescription: The ${name} of the port\n${more}---\n`

test('what-a-user-gives-to-agents-is-seen-by-the-agent', { timeout }, async () => {
  const skill = await made('/skills', {
    files: [
      { path: 'SKILL.md', content: `${front('knots')}Tie them twice.` },
      { path: 'tide.mjs', content: mcpServer },
      { path: 'mark.txt', content: 'a-mark-in-the-skill' },
    ],
  })
  await made('/skill-installs', { skill_id: skill })
  const plugin = await made('/plugins', {
    files: [
      { path: '.claude-plugin/plugin.json', content: JSON.stringify({ name: 'harbour', version: '1.0.0' }) },
      { path: 'skills/crane/SKILL.md', content: `${front('crane')}Lift.` },
    ],
  })
  await made('/plugin-installs', { plugin_id: plugin })
  await made('/env-vars', { key: 'TIDE', value: secret })
  await made('/env-vars', { key: 'HOLD', value: untold })
  const server = await made('/mcp-servers', {
    name: 'harbour',
    server_config: {
      command: 'node',
      args: ['/workspace/.tutti/claude/skills/knots/tide.mjs'],
      env: { TIDE: `\${TIDE}`, HOLD: `\${HOLD}` },
    },
  })
  await made('/mcp-installs', { server_id: server })
  const command = await made('/slash-commands', {
    name: 'greet',
    content: 'Greet the captain $ARGUMENTS in full dress.',
  })
  await made('/subagents', { name: 'pilot', description: 'Steers ships', prompt: 'You are the pilot.', model: 'haiku' })
  await made('/subagents', { name: 'cook', raw_markdown: `${front('cook')}You cook.` })
  await call('PUT', '/claude-md', { content: 'Never sail on a Friday.' })
  const preset = await made('/presets', { name: 'p', prompt_template: 'Speak like a harbour master.' })

  const steps = [
    { tool: 'mcp__harbour__tide', input: {} },
    { tool: 'Skill', input: { skill: 'knots' } },
    { say: 'Seen.' },
  ]
  const run = await send(script(steps), { preset_id: preset })
  await ended(run)
  const seen = sent()
  for (const part of [
    ...['The knots of the port', 'The crane of the port', 'Never sail on a Friday.', 'Speak like a harbour master.'],
    ...['Steers ships', 'The cook of the port', `The tide is ${secret}.`, 'Tie them twice.'],
  ])
    expect(seen, part).toContain(part)
  expect(await said(run)).toContain('Seen.')

  bodies = []
  await ended(await send('/greet Vega', {}, { session_id: run.session_id }))
  expect(sent()).toContain('Greet the captain Vega in full dress.')

  // A second run, of another session: nothing is fetched or written twice, what was switched off is gone.
  const file = (of: Sent) => lstatSync(join(workspace(of), '.tutti/claude/skills/knots/SKILL.md')).ino
  const before = file(run)
  const archives = () => readdirSync(join(root, 'w/cache/archives')).sort()
  const known = archives()
  expect(known).toHaveLength(2)
  // The stored archives are taken away: whoever asks for one again fails.
  for (const kind of ['skills', 'plugins']) rmSync(join(root, 'objects', kind), { recursive: true, force: true })
  await call('PATCH', `/slash-commands/${command}`, { enabled: false })
  await call('DELETE', '/claude-md')
  bodies = []
  const next = await send(script([{ say: 'Again.' }]), {}, { session_id: run.session_id })
  await ended(next)
  const other = await send(script([{ say: 'Elsewhere.' }]), { plugin_config: { [plugin]: false } })
  await ended(other)
  expect(file(run)).toBe(before)
  expect(archives()).toEqual(known)
  expect(readdirSync(join(workspace(run), '.tutti/claude/commands'))).toEqual([])
  expect(readdirSync(join(workspace(other), '.tutti/claude/skills'))).toEqual(['knots'])
  expect(existsSync(join(workspace(other), '.tutti/claude/plugins/given'))).toBe(false)
  expect(readFileSync(join(workspace(run), '.tutti/claude/CLAUDE.md'), 'utf8')).toBe('')

  // The secret was in the server's environment and in its answer, which the model asked for: nowhere else.
  const [session] = [await call('GET', `/sessions/${run.session_id}`)]
  expect(
    JSON.stringify([session, await call('GET', `/runs/${run.run_id}`), await call('GET', '/mcp-servers')]),
  ).not.toContain(secret)
  expect(log).not.toContain(secret)
  // One that the server keeps to itself is on no disk: in no workspace, snapshot or file of the runtime.
  expect(filesWith(untold, root)).toBe('')
  // And what every run is given anew is not stored with each session's files.
  expect(filesWith('a-mark-in-the-skill', workspace(run))).not.toBe('')
  expect(filesWith('a-mark-in-the-skill', join(root, 'objects'))).toBe('')
  expect(log + sent()).not.toContain(untold)
})

test('a-secret-that-is-missing-ends-the-run-before-a-sandbox-is-started', { timeout }, async () => {
  const run = await send('x', { mcp_servers: { lost: { command: 'node', env: { A: `\${NO_SUCH_SECRET}` } } } })
  const { last_error, started_at } = await ended(run, 'failed')
  expect([last_error, started_at]).toEqual([expect.stringContaining('NO_SUCH_SECRET in env.A'), null])
  expect(bodies).toEqual([])
})

test('a-server-elsewhere-is-reached-only-where-the-operator-lets-runs', { timeout }, async () => {
  const run = await send('x', { mcp_servers: { far: { type: 'http', url: 'https://mcp.example.org/x' } } })
  expect((await ended(run, 'failed')).last_error).toMatch(/EGRESS_REFUSED.*mcp\.example\.org.*far/)
  expect(bodies).toEqual([])
})
