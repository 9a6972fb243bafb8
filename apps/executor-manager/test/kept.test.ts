/** Sandboxes that wait between the turns of their session: when the next turn finds one, and when it must not. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ClaimedRun, type PrivateManifest, privateManifest, workspaceManifest } from '@tutti/contracts'
import type { Sandbox } from '@tutti/sandbox'
import { afterEach, describe, expect, it } from 'vitest'
import type { Manager } from '../src/app.ts'
import type { UsedConfig } from '../src/deps.ts'
import type { FakeRun } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage
let manager: Manager
const started: Sandbox[] = []

const begin = async (config: Partial<UsedConfig> = {}): Promise<void> => {
  stage = await createStage({ sandboxKeepSeconds: 600, ...config })
  const { driver } = stage
  manager = await stage.start({
    driver: {
      ...driver,
      start: async (spec) => {
        const sandbox = await driver.start(spec)
        if (spec.id.startsWith('s-')) started.push(sandbox)
        return sandbox
      },
    },
  })
}
afterEach(async () => {
  await stage.close()
  started.length = 0
})

const play = async (steps: object[], more: Partial<ClaimedRun> = {}): Promise<FakeRun> => {
  const run = stage.backend.offer({ prompt: script([...steps, { say: 'Done.' }]), ...more })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  return run
}
const again = (run: FakeRun, steps: object[], more: Partial<ClaimedRun> = {}): Promise<FakeRun> =>
  play(steps, { session_id: run.claimed.session_id, user_id: run.claimed.user_id, ...more })
const hiddenFiles = async ({ finished }: FakeRun): Promise<PrivateManifest['files']> => {
  const stored = finished[0]?.export
  if (stored?.status !== 'ready') throw new Error('the turn was not exported')
  const { private_key } = workspaceManifest.parse(JSON.parse(await stage.read(stored.manifest_key)))
  return privateManifest.parse(JSON.parse(await stage.read(private_key))).files
}
const kept = () => manager.health().kept_sandboxes
const evicted = () => Object.fromEntries(Object.entries(kept().evicted).filter(([, count]) => count > 0))
/** The run's end is told before its manager is done with it. */
const rest = async () => {
  while (manager.health().running > 0) await delay(10)
}

describe('kept sandboxes', { timeout: 60_000 }, () => {
  it('the-next-turn-of-a-session-finds-its-sandbox-which-stood-still-meanwhile', async () => {
    await begin()
    const ticking = 'nohup sh -c "while :; do echo x >> ticks; sleep 0.01; done" >/dev/null 2>&1 & echo made > made.txt'
    const first = await play([bash(ticking)])
    const ticks = join(stage.workspaceOf(first), 'ticks')
    const stopped = statSync(ticks).size
    await delay(150)
    expect(statSync(ticks).size).toBe(stopped)
    expect(kept()).toMatchObject({ kept: 1, hits: 0, misses: 1 })
    expect(kept().memory_bytes).toBeGreaterThan(10_000_000)
    await again(first, [bash('test "$(cat made.txt)" = made && echo more > more.txt')])
    expect(statSync(ticks).size).toBeGreaterThan(stopped)
    expect(statSync(join(stage.workspaceOf(first), 'more.txt')).size).toBe(5)
    expect(started).toHaveLength(1)
    expect(kept()).toMatchObject({ kept: 1, hits: 1, misses: 1 })
  })

  it('the-agents-process-waits-with-it-and-what-it-has-told-is-exported', async () => {
    await begin()
    const who = bash('echo $PPID >> who.txt')
    const more = { permission_mode: 'bypassPermissions' as const, attended: true }
    const first = await play([who, bash('echo albatross')], more)
    const told = first.events.map(({ event }) => event).find((event) => event.type === 'started')
    if (told?.type !== 'started') throw new Error('the runtime told no session')
    const files = await hiddenFiles(first)
    const record = files.find(({ path }) => path.endsWith(`${told.agent_session_id}.jsonl`))
    const text = (await stage.read(record?.key ?? '')).trimEnd()
    for (const said of ['albatross', 'Done.']) expect(text).toContain(said)
    for (const line of text.split('\n')) JSON.parse(line)
    // What a process has for as long as it lives means nothing to another one.
    expect(files.filter(({ path }) => /claude\/(sessions|shell-snapshots)/.test(path))).toEqual([])
    const second = await again(first, [who], { ...more, sdk_session_id: told.agent_session_id })
    const [one, two] = readFileSync(join(stage.workspaceOf(second), 'who.txt'), 'utf8')
      .trimEnd()
      .split('\n')
    expect(two).toBe(one)
    expect(started).toHaveLength(1)
    expect((await started[0]?.usage())?.processes).toBeGreaterThan(1)
    await rest()
    await manager.stop()
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('nothing-lives-in-the-workspace-when-other-files-are-placed-there', async () => {
    await begin()
    const first = await play([bash('echo made > made.txt')])
    const given = { workspace: { files: [{ path: 'given.txt', content: 'given' }] } }
    const second = await again(first, [bash('test "$(cat given.txt made.txt)" = givenmade')], { config: given })
    expect(started).toHaveLength(2)
    expect(evicted()).toEqual({ workspace: 1 })
    // The same files once more change nothing.
    await again(second, [], { config: given })
    expect(started).toHaveLength(2)
  })

  it('going-back-to-an-earlier-snapshot-closes-it', async () => {
    await begin()
    const first = await play([bash('echo one > file.txt')])
    const [end] = first.finished
    if (end?.export?.status !== 'ready') throw new Error('the first turn was not exported')
    const key = end.export.manifest_key
    const second = await again(first, [bash('echo two > file.txt')])
    expect(started).toHaveLength(1)
    await again(second, [bash('test "$(cat file.txt)" = one')], { snapshot_key: key })
    expect(evicted()).toEqual({ workspace: 1 })
    expect(started).toHaveLength(2)
  })

  it('no-other-session-is-given-it-and-the-one-that-waits-for-longest-makes-room', async () => {
    await begin({ sandboxKeep: 1 })
    await play([])
    await play([])
    expect(new Set(started.map(({ id }) => id)).size).toBe(2)
    expect(kept()).toMatchObject({ kept: 1, hits: 0, misses: 2 })
    expect(evicted()).toEqual({ count: 1 })
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect((await started[1]?.usage())?.processes).toBeGreaterThan(0)
  })

  it('a-turn-that-failed-leaves-none', async () => {
    await begin()
    const run = stage.backend.offer({
      prompt: script([bash('true'), bash('true'), { say: 'Never.' }]),
      options: { runtime: 'claude', max_turns: 1 },
    })
    expect(await stage.finished(run)).toMatchObject({ outcome: 'failed' })
    expect(kept()).toMatchObject({ kept: 0, misses: 1 })
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('a-turn-that-waits-for-an-answer-leaves-none', async () => {
    await begin()
    const options = ['yes', 'no'].map((label) => ({ label, description: label }))
    const question = { question: 'Go on?', header: 'Go on', options, multiSelect: false }
    const run = stage.backend.offer({
      prompt: script([{ tool: 'AskUserQuestion', input: { questions: [question] } }, { say: 'Never.' }]),
      ...{ attended: true, permission_mode: 'default' },
    })
    expect(await stage.finished(run)).toMatchObject({ outcome: 'parked' })
    expect(kept()).toMatchObject({ kept: 0, misses: 1 })
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('a-turn-whose-lease-is-lost-leaves-none', async () => {
    await begin()
    const run = stage.backend.offer({ prompt: script([bash('touch begun; sleep 600')]) })
    await stage.backend.until(() => run.events.some(({ event }) => event.type === 'tool_call'))
    run.lost = true
    await rest()
    expect(kept().kept).toBe(0)
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('one-that-holds-more-memory-than-all-may-is-not-kept', async () => {
    await begin({ sandboxKeepMemoryMb: 1 })
    await play([])
    expect(kept()).toMatchObject({ kept: 0, memory_bytes: 0 })
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('it-waits-no-longer-than-its-time', async () => {
    await begin({ sandboxKeepSeconds: 1 })
    await play([])
    await started[0]?.exited
    expect(evicted()).toEqual({ time: 1 })
  })

  it('one-that-ended-is-forgotten-and-the-next-turn-starts-another', async () => {
    await begin()
    const first = await play([])
    await started[0]?.kill()
    await again(first, [])
    expect(started).toHaveLength(2)
    expect(evicted()).toEqual({ ended: 1 })
  })

  it('cancelling-the-session-at-the-manager-closes-it', async () => {
    await begin()
    const first = await play([])
    await rest()
    const answer = await fetch(`http://127.0.0.1:${manager.port()}/api/v1/executor/cancel`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-internal-token': stage.config.internalApiToken },
      body: JSON.stringify({ session_id: first.claimed.session_id }),
    })
    expect(answer.status).toBe(200)
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect(evicted()).toEqual({ cancelled: 1 })
  })

  it('none-outlives-the-manager', async () => {
    await begin()
    await play([])
    await manager.stop()
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect(evicted()).toEqual({ stopping: 1 })
  })
})
