/** The real process, started as an operator starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createScriptedModel, type ScriptedModel } from '@tutti/agents/scripted'
import { freePort } from '@tutti/stores/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createFakeBackend, eventsOf, type FakeBackend } from './support/fake-backend.ts'
import { bash, script } from './support/stage.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
let root: string
let backend: FakeBackend
let model: ScriptedModel
const children: ChildProcess[] = []
const port = String(await freePort())

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'tutti-em-process-'))
  backend = await createFakeBackend()
  model = await createScriptedModel({ key: 'a-key' })
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await Promise.all([backend.close(), model.close()])
  rmSync(root, { recursive: true, force: true })
})

const start = (env: Record<string, string> = {}): ChildProcess & { stderr: Readable } => {
  const child = spawn(process.execPath, [main], {
    // Its log is for who looks for a fault.
    stdio: ['ignore', process.env.TUTTI_TEST_LOG ? 'inherit' : 'ignore', 'pipe'],
    env: {
      ...{ PATH: process.env.PATH, BACKEND_URL: backend.url, INTERNAL_API_TOKEN: backend.token, WORKER_ID: 'a.host' },
      ...{ WORKSPACE_ROOT: join(root, 'w'), OBJECTS_DIR: join(root, 'objects'), ANTHROPIC_BASE_URL: model.url },
      ...{ ANTHROPIC_AUTH_TOKEN: 'a-key', MANAGER_PORT: port, SANDBOX_POOL: '0', ...env },
    },
  })
  children.push(child)
  const { stderr } = child
  if (stderr === null) throw new Error('stderr is a pipe')
  return Object.assign(child, { stderr })
}

const failing = async (env: Record<string, string>): Promise<{ code: number | null; said: string }> => {
  const child = start(env)
  const [[code], said] = await Promise.all([once(child, 'exit'), text(child.stderr)])
  return { code, said }
}

/** Processes of this host that have the word among their arguments. */
const processesWith = (word: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word)
    } catch {
      return false
    }
  })

/** Under its number another process may live by now, and one that has ended waits to be buried. */
const isAlive = ({ pid, startTime }: { pid: number; startTime: string }): boolean => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return fields[0] !== 'Z' && fields[19] === startTime
  } catch {
    return false
  }
}

interface SandboxRecord {
  id: string
  workspace: string
  init: { pid: number; startTime: string }
}

/**
 * Of sandboxes whose workspaces lie there. All managers of a host share the folder of records: it counts the users of sandboxes, and two
 * that count in folders of their own end each other's.
 */
const recordsBelow = (folder: string): SandboxRecord[] => {
  const state = process.getuid?.() === 0 ? '/var/lib/tutti/sandboxes' : join(root, 'w', 'sandboxes')
  const records = join(state, 'sandboxes')
  return readdirSync(records).flatMap((name) => {
    try {
      const record = JSON.parse(readFileSync(join(records, name), 'utf8')) as SandboxRecord
      return record.workspace.startsWith(folder) ? [record] : []
    } catch {
      // Another's, being written or gone.
      return []
    }
  })
}

it('what-is-wrong-is-said-with-its-remedy-and-an-exit-code', async () => {
  expect(await failing({ BACKEND_URL: '' })).toMatchObject({ code: 2, said: expect.stringContaining('BACKEND_URL') })
  expect(await failing({ PATH: '/nonexistent' })).toMatchObject({
    code: 3,
    said: expect.stringContaining('apt-get install bubblewrap'),
  })
})

it('a-manager-that-is-killed-leaves-no-sandbox-that-waits-for-a-next-turn', async () => {
  const word = `7${String(process.pid).padStart(6, '0')}`
  const manager = start({ SANDBOX_KEEP_SECONDS: '600' })
  const run = backend.offer({
    prompt: script([bash(`nohup sleep ${word} >/dev/null 2>&1 &`), { say: 'Left.' }]),
  })
  expect(await backend.until(() => run.finished[0])).toMatchObject({ outcome: 'completed' })
  // Its shell has answered before the program of the background is started.
  while (processesWith(word).length === 0) await delay(10)
  manager.kill('SIGKILL')
  await once(manager, 'exit')
  while (processesWith(word).length > 0) await delay(10)
})

it('a-manager-that-is-killed-leaves-no-sandbox-that-was-started-ahead', async () => {
  const manager = start({ SANDBOX_POOL: '1' })
  const ready = async (): Promise<number | undefined> => {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
    const { data } = ((await answer?.json()) ?? {}) as { data?: { pooled_sandboxes: { ready: number } } }
    return data?.pooled_sandboxes.ready
  }
  while ((await ready()) !== 1) await delay(50)
  const [record] = recordsBelow(root)
  if (record === undefined) throw new Error('the sandbox has no record')
  manager.kill('SIGKILL')
  await once(manager, 'exit')
  while (isAlive(record.init)) await delay(10)
  // What is left of it on the disk goes with the next manager.
  expect(readdirSync(join(root, 'w/pool'))).toHaveLength(1)
  const next = start()
  while ((await ready()) === undefined) await delay(50)
  expect(readdirSync(join(root, 'w/pool'))).toEqual([])
  expect(recordsBelow(root).map(({ id }) => id)).not.toContain(record.id)
  next.kill('SIGTERM')
  expect((await once(next, 'exit'))[0]).toBe(0)
})

it('a-manager-that-is-killed-leaves-no-sandbox-and-the-next-one-goes-on', async () => {
  const seconds = `6${String(process.pid).padStart(6, '0')}`
  const first = start()
  const run = backend.offer({ prompt: script([bash(`echo kept > kept.txt; sleep ${seconds}`)]) })
  await backend.until(() => eventsOf(run, 'tool_call').length === 1)
  while (processesWith(seconds).length === 0) await delay(10)
  first.kill('SIGKILL')
  await once(first, 'exit')
  while (processesWith(seconds).length > 0) await delay(10)

  const second = start()
  await backend.until(() => backend.bootIds.size === 2)
  const again = backend.offer({
    ...{ ...run.claimed, attempt: 2, lease_token: 'of the second' },
    ...{ sdk_session_id: eventsOf(run, 'started')[0]?.agent_session_id ?? null },
    prompt: script([bash('cat kept.txt'), { say_last_result: true }]),
  })
  const end = await backend.until(() => again.finished[0])
  expect(end).toMatchObject({ outcome: 'completed', result: 'kept' })
  // What belonged to the first one's sandbox is removed.
  expect(readdirSync(join(root, 'w/relay')).filter((name) => name.startsWith(`${first.pid}-`))).toEqual([])
  second.kill('SIGTERM')
  expect((await once(second, 'exit'))[0]).toBe(0)
  expect(existsSync(join(root, 'w/relay'))).toBe(false)
})
