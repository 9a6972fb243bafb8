/** Sandboxes that are started ahead: who is given one, what it has seen until then, and what is left of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClaimedRun } from '@tutti/contracts'
import type { Sandbox, SandboxDriver } from '@tutti/sandbox'
import { afterEach, describe, expect, it } from 'vitest'
import type { Manager } from '../src/app.ts'
import type { UsedConfig } from '../src/deps.ts'
import type { FakeRun } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

let stage: Stage
let manager: Manager
const started: Sandbox[] = []

const begin = async (config: Partial<UsedConfig> = {}, parts: Partial<SandboxDriver> = {}): Promise<void> => {
  stage = await createStage({ sandboxPool: 1, ...config })
  const { driver } = stage
  manager = await stage.start({
    driver: {
      ...driver,
      start: async (spec) => {
        const sandbox = await driver.start(spec)
        if (!spec.id.startsWith('warm-up')) started.push(sandbox)
        return sandbox
      },
      ...parts,
    },
  })
}
afterEach(async () => {
  await stage.close()
  started.length = 0
})

const pool = () => manager.health().pooled_sandboxes
const filled = async (count = 1) => {
  while (pool().ready < count) await delay(20)
}
const play = async (steps: object[], more: Partial<ClaimedRun> = {}): Promise<FakeRun> => {
  const run = stage.backend.offer({ prompt: script([...steps, { say: 'Done.' }]), ...more })
  expect(await stage.finished(run)).toMatchObject({ outcome: 'completed' })
  return run
}
const waiting = () => readdirSync(join(stage.config.workspaceRoot, 'pool'))
const exported = async (run: FakeRun, path: string): Promise<string> => {
  const end = run.finished[0]?.export
  const file = end?.status === 'ready' ? end.files.find((one) => one.path === path) : undefined
  return file === undefined ? 'not exported' : stage.read(file.key)
}

describe('sandboxes that are started ahead', { timeout: 60_000 }, () => {
  it('a-new-session-is-given-one-that-saw-nothing-and-it-is-replaced', async () => {
    await begin()
    await filled()
    expect(readdirSync(join(stage.config.workspaceRoot, 'pool', waiting()[0] ?? ''))).toEqual(['.tutti'])
    expect(pool()).toMatchObject({ ready: 1, hits: 0, misses: 0 })
    expect(pool().memory_bytes).toBeGreaterThan(10_000_000)
    const given = { workspace: { files: [{ path: 'given.txt', content: 'given' }] } }
    const run = await play([bash('cat given.txt > made.txt; ls -A / > seen.txt')], { config: given })
    expect(pool()).toMatchObject({ hits: 1, misses: 0 })
    expect(await exported(run, 'made.txt')).toBe('given')
    // The sandbox that served it is gone with its turn; another one waits.
    await filled()
    expect(started).toHaveLength(2)
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect(waiting()).toHaveLength(1)
  })

  it('the-agents-process-was-started-ahead-with-it', async () => {
    await begin()
    await filled()
    const how = bash("tr '\\0' ' ' < /proc/$PPID/cmdline > how.txt")
    // As the backend plans a session that has no skills, and no instructions.
    const managed = ['.tutti/claude/skills', '.tutti/claude/agents']
    const none = { path: '.tutti/claude/CLAUDE.md', content: '' }
    const plan = { repositories: [], folders: [], files: [none], managed }
    const first = await play([how], { attended: true, permission_mode: 'bypassPermissions', staging: plan })
    expect(await exported(first, 'how.txt')).toContain('--await-claim')
    await filled()
    // Its skills are read when it starts: where there are some, it is too late for them.
    const skill = {
      path: '.tutti/claude/skills/knots/SKILL.md',
      content: '---\nname: knots\ndescription: Tying knots\n---\n',
    }
    const staging = { ...plan, files: [none, skill] }
    const second = await play([how], { attended: true, permission_mode: 'bypassPermissions', staging })
    expect(await exported(second, 'how.txt')).not.toContain('--await-claim')
    expect(pool()).toMatchObject({ hits: 2, misses: 0 })
  })

  it('no-session-is-given-what-another-has-had', async () => {
    await begin({ sandboxKeepSeconds: 600 })
    await filled()
    const first = await play([bash('echo secret > /tmp/left; echo secret > left.txt')])
    await filled()
    const second = await play([bash('ls /tmp > tmp.txt; ls > here.txt')])
    expect(pool()).toMatchObject({ hits: 2, misses: 0 })
    expect(await exported(second, 'tmp.txt')).not.toContain('left')
    expect(await exported(second, 'here.txt')).not.toContain('left')
    // Its own next turn finds the one that it has had.
    const again = { session_id: first.claimed.session_id, user_id: first.claimed.user_id }
    const third = await play([bash('cat /tmp/left > back.txt')], again)
    expect(await exported(third, 'back.txt')).toBe('secret\n')
    expect(pool()).toMatchObject({ hits: 2, misses: 0 })
  })

  it('a-session-goes-on-in-one-with-its-files-and-its-conversation', async () => {
    await begin()
    await filled()
    const first = await play([bash('mkdir -p deep/er; echo one > deep/er/file.txt; chmod 500 deep')])
    await filled()
    const { session_id, user_id } = first.claimed
    const resumed = first.events.map(({ event }) => event).find((event) => event.type === 'started')
    if (resumed?.type !== 'started') throw new Error('the runtime told no session')
    const second = await play([bash('cat deep/er/file.txt > copy.txt')], {
      ...{ session_id, user_id, sdk_session_id: resumed.agent_session_id },
    })
    expect(pool()).toMatchObject({ hits: 2, misses: 0 })
    expect(await exported(second, 'copy.txt')).toBe('one\n')
    const record = join(stage.workspaceOf(second), '.tutti', 'claude', 'projects')
    const conversations = readdirSync(record, { recursive: true }).filter((name) => String(name).endsWith('.jsonl'))
    expect(conversations).toHaveLength(1)
    expect(readFileSync(join(record, String(conversations[0])), 'utf8')).toContain('deep/er/file.txt')
  })

  it('with-none-ready-a-sandbox-is-started-as-ever', async () => {
    await begin()
    await Promise.all([play([bash('true')]), play([bash('true')])])
    const { hits, misses } = pool()
    expect(hits + misses).toBe(2)
    expect(misses).toBeGreaterThan(0)
  })

  it('one-that-ended-is-not-given-away', async () => {
    await begin()
    await filled()
    await started[0]?.kill()
    await play([bash('true')])
    expect(pool().hits + pool().misses).toBe(1)
    await filled()
  })

  it('one-that-cannot-be-bound-is-closed-and-the-turn-has-another', async () => {
    const start: SandboxDriver['start'] = async (spec) => {
      const sandbox = await stage.driver.start(spec)
      if (spec.ahead) started.push(sandbox)
      return spec.ahead ? { ...sandbox, bind: () => Promise.reject(new Error('no')) } : sandbox
    }
    await begin({}, { start })
    await filled()
    await play([bash('true')])
    expect(pool()).toMatchObject({ hits: 0, misses: 1 })
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('none-is-held-beyond-the-memory-that-waiting-sandboxes-may-have', async () => {
    await begin({ sandboxKeepMemoryMb: 1 })
    while (started.length === 0) await delay(20)
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect(pool()).toMatchObject({ ready: 0, memory_bytes: 0 })
    await play([bash('true')])
    expect(started.filter(({ id }) => id.startsWith('ahead'))).toHaveLength(1)
  })

  it('none-is-started-where-the-driver-cannot', async () => {
    await begin({}, { ahead: false })
    await play([bash('true')])
    expect(pool()).toMatchObject({ ready: 0, misses: 1 })
    expect(started.map(({ id }) => id.split('-')[0])).toEqual(['s'])
  })

  it('none-outlives-the-manager-nor-does-its-folder', async () => {
    await begin()
    await filled()
    await manager.stop()
    expect(await started[0]?.exited).toMatchObject({ reason: 'killed' })
    expect(waiting()).toEqual([])
    expect(started).toHaveLength(1)
    expect(existsSync(join(stage.config.workspaceRoot, 'pool'))).toBe(true)
  })
})
