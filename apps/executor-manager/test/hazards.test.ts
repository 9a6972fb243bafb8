import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ObjectStoreError } from '@tutti/objects'
import { createNoneDriver, type Sandbox, type SandboxDriver, SandboxError } from '@tutti/sandbox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventsOf, storedNumbers } from './support/fake-backend.ts'
import { oneProvider } from './support/one-provider.ts'
import { bash, createStage, model, providerKey, type Stage, script } from './support/stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

/** A command that ends only with its sandbox. */
const forever = bash('sleep 600')

/** The driver, telling which sandboxes it started for turns. */
const watched = (driver: SandboxDriver): SandboxDriver & { started: Sandbox[] } => {
  const started: Sandbox[] = []
  return {
    ...driver,
    started,
    start: async (spec) => {
      const sandbox = await driver.start(spec)
      if (spec.id.startsWith('s-')) started.push(sandbox)
      return sandbox
    },
  }
}

describe('the backend', () => {
  it('backend-down-during-events-loses-nothing', async () => {
    await stage.start()
    stage.backend.cutAfter('events', 2)
    stage.backend.cutBefore('start', 1)
    stage.backend.cutAfter('finish', 1)
    const run = stage.backend.offer({
      prompt: script([
        { say: 'One. '.repeat(50) },
        bash('echo two'),
        bash('touch gone; until test -e back; do :; done'),
        { say: 'End.' },
      ]),
    })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length === 2)
    stage.backend.goAway()
    const seen = stage.backend.count('renew')
    await stage.backend.until(() => stage.backend.count('renew') > seen)
    writeFileSync(join(stage.workspaceOf(run), 'back'), '')
    stage.backend.comeBack()
    expect(await stage.finished(run)).toMatchObject({ outcome: 'completed', result: 'End.' })
    await stage.backend.until(() => run.finished.length === 2)
    // Each once and in order: the fake refuses gaps and keeps what it has.
    const stored = storedNumbers(run)
    expect(stored).toEqual(stored.map((_, index) => index + 1))
    expect(eventsOf(run, 'done')).toHaveLength(1)
    expect(run.finished[1]).toEqual(run.finished[0])
  })

  it('lease-lost-kills-the-sandbox-and-writes-nothing-more', async () => {
    const driver = watched(stage.driver)
    await stage.start({ driver })
    const run = stage.backend.offer({ prompt: script([forever]) })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length === 1)
    const events = run.events.length
    run.lost = true
    expect(await driver.started[0]?.exited).toMatchObject({ reason: 'killed' })
    // The same session again: it waits for the former sandbox, and gets the workspace.
    const again = stage.backend.offer({
      ...run.claimed,
      lease_token: 'another',
      attempt: 2,
      prompt: script([{ say: 'Again.' }]),
    })
    expect(await stage.finished(again)).toMatchObject({ outcome: 'completed', attempt: 2 })
    expect(run.events.length).toBe(events)
    expect(run.finished).toEqual([])
  })

  it('cancel-kills-the-sandbox-and-is-reported', async () => {
    const driver = watched(stage.driver)
    await stage.start({ driver })
    const run = stage.backend.offer({ prompt: script([forever]) })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length === 1)
    run.canceling = true
    const end = await stage.finished(run)
    expect(end).toMatchObject({ outcome: 'canceled', usage: { input_tokens: expect.any(Number) } })
    // The turn died before the runtime told its sum: what passed the relay is known.
    expect(end.usage?.input_tokens).toBeGreaterThan(0)
    expect(end.usage?.cost_usd).toBeGreaterThan(0)
    expect(await driver.started[0]?.exited).toMatchObject({ reason: 'killed' })
  })

  it('stop-gives-back-what-still-runs-and-no-more-is-claimed', async () => {
    const driver = watched(stage.driver)
    const manager = await stage.start({ driver })
    const run = stage.backend.offer({ prompt: script([forever]) })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length === 1)
    expect(manager.health()).toMatchObject({ status: 'ok', running: 1, isolates: true })
    const stopped = manager.stop({ drainMs: 0 })
    expect(manager.health()).toMatchObject({ status: 'draining' })
    await stopped
    expect(run.finished).toMatchObject([{ outcome: 'released', error: { code: 'MANAGER_STOPPING', retryable: true } }])
    expect(await driver.started[0]?.exited).toMatchObject({ reason: 'killed' })
    const late = stage.backend.offer()
    await stage.start()
    await stage.finished(late)
    expect(stage.backend.bootIds.size).toBe(2)
  })

  it('stop-lets-a-running-turn-finish', async () => {
    const manager = await stage.start()
    const run = stage.backend.offer({ prompt: script([bash('until test -e go; do :; done'), { say: 'Finished.' }]) })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length === 1)
    const stopped = manager.stop({ drainMs: 50_000 })
    writeFileSync(join(stage.workspaceOf(run), 'go'), '')
    await stopped
    expect(run.finished).toMatchObject([{ outcome: 'completed', result: 'Finished.' }])
  })

  it('no-more-runs-than-room-are-at-work-at-a-time', async () => {
    const driver = watched(stage.driver)
    const manager = await stage.start({ driver, config: { ...stage.config, maxConcurrentTasks: 1 } })
    const first = stage.backend.offer({ prompt: script([forever]) })
    const second = stage.backend.offer({ prompt: script([{ say: 'Second.' }]) })
    await stage.backend.until(() => eventsOf(first, 'tool_call').length === 1)
    expect(manager.health().running).toBe(1)
    expect(second.started).toBeNull()
    first.canceling = true
    expect(await stage.finished(second)).toMatchObject({ outcome: 'completed' })
  })
})

describe('the sandbox', () => {
  it('executor-killed-is-retryable', async () => {
    await stage.start()
    const kill = 'cd /proc; for p in [0-9]*; do grep -qsa "executor/src/main" $p/cmdline && kill -9 $p; done; sleep 60'
    const run = stage.backend.offer({ prompt: script([bash('echo kept > kept.txt'), bash(kill)]) })
    const end = await stage.finished(run)
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'EXECUTOR_EXITED', retryable: true } })
    expect(end.export).toMatchObject({ status: 'ready', files: [{ path: 'kept.txt' }] })
    expect(end.usage?.output_tokens).toBeGreaterThan(0)
    // What the first attempt did is there for the second.
    const again = stage.backend.offer({
      ...run.claimed,
      attempt: 2,
      prompt: script([bash('cat kept.txt'), { say_last_result: true }]),
    })
    expect(await stage.finished(again)).toMatchObject({ outcome: 'completed', result: 'kept' })
  })

  it('a-memory-hog-from-the-bash-tool-is-contained', async () => {
    await stage.start()
    const hog = `node -e 'const a = []; setInterval(() => a.push(Buffer.alloc(64 << 20, 1)), 1)'`
    const run = stage.backend.offer({ prompt: script([bash(hog), { say: 'Went on.' }]) })
    expect(await stage.finished(run)).toMatchObject({
      outcome: 'failed',
      error: { code: 'SANDBOX_MEMORY', retryable: true },
    })
  })

  it('a-fork-bomb-from-the-bash-tool-is-contained', async () => {
    await stage.start({ config: { ...stage.config, runTimeoutSeconds: 20 } })
    const run = stage.backend.offer({
      prompt: script([bash('bomb() { bomb | bomb & }; bomb; sleep 1; echo survived'), { say: 'Over.' }]),
    })
    const end = await stage.finished(run)
    // Forks fail inside; whichever of the processes dies of it, the sandbox ends with the turn.
    if (end.outcome === 'failed') expect(end.error?.code).toMatch(/SANDBOX_|EXECUTOR_|RUN_TIMEOUT|runtime_failed/)
    const next = stage.backend.offer({ prompt: script([bash('echo fine'), { say_last_result: true }]) })
    expect(await stage.finished(next)).toMatchObject({ outcome: 'completed', result: 'fine' })
  })

  it('a-turn-that-takes-too-long-is-stopped-and-not-tried-again', async () => {
    await stage.start({ config: { ...stage.config, runTimeoutSeconds: 2 } })
    const run = stage.backend.offer({ prompt: script([forever]) })
    expect(await stage.finished(run)).toMatchObject({
      outcome: 'failed',
      error: { code: 'RUN_TIMEOUT', retryable: false },
      export: { status: 'ready' },
    })
  })

  it('a-sandbox-that-cannot-be-started-is-retryable', async () => {
    const start = async (): Promise<never> => {
      throw new SandboxError('no users are left', 'run fewer')
    }
    await stage.start({ driver: { ...stage.driver, start } })
    const run = stage.backend.offer()
    const end = await stage.finished(run)
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'SANDBOX_NOT_STARTED', retryable: true } })
    expect(end.error?.message).toContain('no users are left')
    expect(run.started).toBeNull()
  })

  it('without-isolation-the-turn-runs-and-says-so', async () => {
    const manager = await stage.start({ driver: createNoneDriver() })
    const run = stage.backend.offer({ prompt: script([bash('pwd; echo plain > x.txt'), { say_last_result: true }]) })
    expect(await stage.finished(run)).toMatchObject({
      outcome: 'completed',
      result: stage.workspaceOf(run),
      export: { status: 'ready', files: [{ path: 'x.txt' }] },
    })
    expect(run.started).toMatchObject({ sandbox: 'none' })
    expect(manager.health()).toMatchObject({ sandbox: 'none', isolates: false })
  })

  it('a-model-that-is-not-allowed-is-refused', async () => {
    await stage.start({
      model: oneProvider({
        ...{ baseUrl: stage.scripted.url, key: providerKey, name: model },
        allowedModels: ['claude-haiku-*'],
      }),
    })
    const call = (model: string) =>
      `curl -s -m 5 -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" $ANTHROPIC_BASE_URL/v1/messages -d '{"model":"${model}","messages":[{"role":"user","content":"x"}]}'`
    const run = stage.backend.offer({
      prompt: script([bash(`${call('gpt-9')}; echo; ${call('claude-haiku-4-5')}`), { say_last_result: true }]),
    })
    const { result } = await stage.finished(run)
    expect(result).toContain('permission_error')
    expect(result).toContain('"type":"message"')
  })
})

describe('the export', () => {
  it('full-disk-on-export-says-so-after-a-few-tries', async () => {
    const tries = new Map<string, number>()
    const objects = {
      ...stage.objects,
      put: async (key: string): Promise<never> => {
        tries.set(key, (tries.get(key) ?? 0) + 1)
        throw new ObjectStoreError('NO_SPACE', 'the disk is full')
      },
    }
    await stage.start({ objects }, { exportTries: 3 })
    const run = stage.backend.offer({ prompt: script([bash('echo lost > file.txt'), { say: 'Done.' }]) })
    expect(await stage.finished(run)).toMatchObject({
      outcome: 'failed',
      error: {
        code: 'EXPORT_FAILED',
        message: expect.stringContaining('disk of the object store is full'),
        retryable: true,
      },
      export: { status: 'failed', message: expect.stringContaining('full') },
      usage: { input_tokens: expect.any(Number) },
    })
    expect(Math.max(...tries.values())).toBe(3)
  })

  it('an-object-store-that-is-away-for-longer-than-its-tries-costs-no-attempt', async () => {
    let refused = 0
    const objects = {
      ...stage.objects,
      put: async (...given: Parameters<typeof stage.objects.put>) => {
        if (refused === 6) return stage.objects.put(...given)
        refused += 1
        throw new ObjectStoreError('UNREACHABLE', 'the object store is away')
      },
    }
    await stage.start({ objects }, { exportTries: 2 })
    const run = stage.backend.offer({ prompt: script([bash('echo kept > file.txt'), { say: 'Done.' }]) })
    expect(await stage.finished(run)).toMatchObject({ outcome: 'completed', export: { files: [{ path: 'file.txt' }] } })
    expect(refused).toBe(6)
  })

  it('who-cancels-does-not-wait-for-a-store-that-is-away', async () => {
    const asked = Promise.withResolvers<void>()
    const objects = {
      ...stage.objects,
      put: async (): Promise<never> => {
        asked.resolve()
        throw new ObjectStoreError('UNREACHABLE', 'the object store is away')
      },
    }
    await stage.start({ objects })
    const run = stage.backend.offer({ prompt: script([bash('echo lost > file.txt'), { say: 'Done.' }]) })
    await asked.promise
    run.canceling = true
    expect(await stage.finished(run)).toMatchObject({ export: { status: 'failed' } })
  })

  it('a-try-that-died-is-given-back-although-the-store-is-away, and the next one goes on with its files', async () => {
    let away = true
    const objects = {
      ...stage.objects,
      put: async (...given: Parameters<typeof stage.objects.put>) => {
        if (away) throw new ObjectStoreError('UNREACHABLE', 'the object store is away')
        return stage.objects.put(...given)
      },
    }
    await stage.start({ objects }, { objectsAwayMs: 3_600_000 })
    const kill = 'cd /proc; for p in [0-9]*; do grep -qsa "executor/src/main" $p/cmdline && kill -9 $p; done; sleep 60'
    const run = stage.backend.offer({ prompt: script([bash('echo kept > kept.txt'), bash(kill)]) })
    const end = await stage.finished(run)
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'EXECUTOR_EXITED', retryable: true } })
    // Nothing is said of files: those of the turn before stay the session’s until there are others.
    expect(end).not.toHaveProperty('export')
    away = false
    const again = stage.backend.offer({
      ...run.claimed,
      attempt: 2,
      prompt: script([bash('cat kept.txt'), { say_last_result: true }]),
    })
    expect(await stage.finished(again)).toMatchObject({ result: 'kept', export: { files: [{ path: 'kept.txt' }] } })
  })

  it('a-store-that-stays-away-is-told-in-the-end', async () => {
    const objects = {
      ...stage.objects,
      put: async (): Promise<never> => {
        throw new ObjectStoreError('UNREACHABLE', 'the object store is away')
      },
    }
    await stage.start({ objects }, { objectsAwayMs: 300 })
    const run = stage.backend.offer({ prompt: script([bash('echo lost > file.txt'), { say: 'Done.' }]) })
    expect(await stage.finished(run)).toMatchObject({
      outcome: 'failed',
      error: { code: 'EXPORT_FAILED', retryable: true },
    })
  })

  it('an-object-store-that-hiccups-costs-nothing', async () => {
    let fails = 2
    const objects = {
      ...stage.objects,
      put: async (...given: Parameters<typeof stage.objects.put>) => {
        fails -= 1
        if (fails >= 0) throw new Error('hiccup')
        return stage.objects.put(...given)
      },
    }
    await stage.start({ objects })
    const run = stage.backend.offer({ prompt: script([bash('echo kept > file.txt'), { say: 'Done.' }]) })
    expect(await stage.finished(run)).toMatchObject({ outcome: 'completed', export: { files: [{ path: 'file.txt' }] } })
  })
})
