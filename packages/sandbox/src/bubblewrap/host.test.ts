import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, realpathSync, rmdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AS_ROOT, createRig, ended, NODE, ownUsers, type Rig, SMALL, type Subject, unique } from '../conformance/rig.ts'
import { DEFAULT_LIMITS } from '../port.ts'
import { isAlive, processRef } from '../supervise/processes.ts'
import { findCgroups } from './cgroup-find.ts'
import { type BubblewrapOptions, createBubblewrapDriver } from './driver.ts'

const MIB = 1024 * 1024

function subject(options: Omit<BubblewrapOptions, 'stateDir'>): Subject {
  return {
    ...{ name: 'bubblewrap', isolates: true },
    create: (stateDir) => createBubblewrapDriver({ ...options, stateDir }),
    elsewhere: {
      module: new URL('./driver.ts', import.meta.url).href,
      factory: 'createBubblewrapDriver',
      options: { ...options },
    },
  }
}

function rigFor(options: Omit<BubblewrapOptions, 'stateDir'>): () => Rig {
  let rig: Rig | undefined
  beforeAll(() => {
    rig = createRig(subject(options))
  })
  afterAll(() => rig?.close())
  return () => {
    if (rig === undefined) throw new Error('the rig exists only while a test runs')
    return rig
  }
}

describe('bubblewrap on this host', { timeout: 60_000 }, () => {
  const rig = rigFor({ users: ownUsers(3) })

  it('a-missing-program-is-named-with-its-package', async () => {
    const path = process.env.PATH
    process.env.PATH = '/nonexistent'
    try {
      const check = await rig().driver.check()
      expect(check).toEqual({ ok: false, fault: 'bwrap is not installed', remedy: 'apt-get install bubblewrap' })
    } finally {
      process.env.PATH = path
    }
  })

  it('a-host-that-must-hold-memory-in-the-kernel-is-refused-where-it-cannot', async () => {
    const strict = createBubblewrapDriver({ stateDir: rig().stateDir, cgroups: 'off', requireMemoryCgroup: true })
    expect(await strict.check()).toMatchObject({ ok: false, remedy: expect.stringContaining('Delegate=yes') })
    await expect(strict.start(rig().spec(['true']))).rejects.toThrow(/hold the memory limit/)
  })

  it('node-runs-under-the-default-limits', async () => {
    const allocate = 'const a = []; for (let i = 0; i < 20; i++) a.push(Buffer.alloc(20 << 20, 1)); console.log("ok")'
    const run = await rig().run([NODE, '-e', allocate], { limits: DEFAULT_LIMITS })
    expect(run).toMatchObject({ code: 0, stdout: 'ok\n' })
  })

  const claude = claudeBinary()
  it.runIf(claude)('the-claude-runtime-runs-under-the-default-limits', async () => {
    const run = await rig().run(['/opt/claude/claude', '--version'], {
      ...{ limits: DEFAULT_LIMITS, readOnly: [{ from: dirname(claude ?? ''), to: '/opt/claude' }] },
    })
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('Claude Code') })
  })

  it('no-argument-of-a-host-process-holds-the-environment', async () => {
    const secret = unique('secret')
    const sandbox = await rig().start(['sleep', '600'], { env: { TOKEN: secret } })
    const all = readdirSync('/proc').map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
    expect(all.some((line) => line.includes('bwrap'))).toBe(true)
    expect(all.some((line) => line.includes(secret))).toBe(false)
    const record = readFileSync(join(rig().stateDir, 'sandboxes', `${sandbox.id}.json`), 'utf8')
    expect(record).not.toContain(secret)
    await sandbox.kill()
  })

  it.runIf(AS_ROOT)('users-run-out-with-a-remedy-and-come-back', async () => {
    const three = await Promise.all([1, 2, 3].map(() => rig().start(['sleep', '600'])))
    await expect(rig().start(['true'])).rejects.toThrow(/all 3 host users/)
    await Promise.all(three.map((sandbox) => sandbox.kill()))
    expect(await rig().run(['true'])).toMatchObject({ code: 0 })
  })

  it.runIf(AS_ROOT)('reap-ends-what-outlived-a-killed-manager', async () => {
    const spec = rig().spec(['sh', '-c', 'id -u; exec sleep 600'])
    const manager = await rig().manager(spec)
    const file = join(rig().stateDir, 'sandboxes', `${spec.id}.json`)
    const { uid } = JSON.parse(readFileSync(file, 'utf8'))
    manager.kill('SIGKILL')
    await ended(manager)
    // As if it had shaken off bwrap's parent-death signal.
    const survivor = spawn('sleep', ['600'], { uid, gid: uid })
    await once(survivor, 'spawn')
    const bystander = spawn('sleep', ['600'], { uid: uid + 1000, gid: uid + 1000 })
    await once(bystander, 'spawn')
    const ref = processRef(survivor.pid ?? 0)
    expect(await rig().driver.reap()).toEqual([spec.id])
    expect(ref && isAlive(ref)).toBe(false)
    expect(bystander.kill(0)).toBe(true)
    bystander.kill('SIGKILL')
    expect(existsSync(file)).toBe(false)
  })
})

const parent = `/sandbox-suite-${process.pid}`
const kernelHolds = findCgroups({ parent })
const hasMemory = kernelHolds.parents.some((one) => one.controllers.includes('memory'))

describe.runIf(hasMemory)('bubblewrap with the memory controller', { timeout: 60_000 }, () => {
  const rig = rigFor({ cgroups: { parent }, requireMemoryCgroup: true, users: ownUsers(10) })
  afterAll(() => {
    for (const one of kernelHolds.parents) rmdirSync(one.dir)
  })

  it('can-work-here', async () => {
    expect(await rig().driver.check()).toEqual({ ok: true, notes: [] })
  })

  it('one-process-over-the-limit-ends-the-sandbox', async () => {
    const hog = `my @x; for (1..1000) { push @x, 'a' x ${MIB} } sleep 1 while 1`
    expect(await rig().run(['perl', '-e', hog])).toMatchObject({ reason: 'memory' })
  })

  it('many-processes-over-the-limit-end-the-sandbox', async () => {
    const hog = `for (1..8) { next if fork; my @x; for (1..64) { push @x, 'a' x ${MIB} } sleep 1 while 1 } 1 while wait > 0`
    expect(await rig().run(['perl', '-e', hog])).toMatchObject({ reason: 'memory' })
  })

  it('memory-that-no-process-shows-counts', async () => {
    // Shared pages touched by a process that has ended: in nobody's resident set, and still there.
    const hog = `const fs = require('fs'), cp = require('child_process'); for (let i = 0; i < 8; i++)
      cp.spawnSync('sh', ['-c', 'head -c 60M /dev/zero >/dev/shm/' + i + '; head -c 60M /dev/zero >/tmp/' + i]); setInterval(() => {}, 1e6)`
    const given = { ...SMALL, memoryBytes: 128 * MIB, tmpBytes: 1024 * MIB }
    expect(await rig().run([NODE, '-e', hog], { limits: given })).toMatchObject({ reason: 'memory' })
  })

  it('the-share-of-the-processors-is-set', async () => {
    const cpu = kernelHolds.parents.find((one) => one.controllers.includes('cpu'))
    const sandbox = await rig().start(['sleep', '600'], { limits: { ...SMALL, cpus: 0.5 } })
    const file = cpu?.version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us'
    if (cpu) expect(readFileSync(join(cpu.dir, sandbox.id, file), 'utf8')).toMatch(/^50000\b/)
    await sandbox.kill()
  })

  it('groups-are-gone-after-the-sandbox', async () => {
    const sandbox = await rig().start(['sleep', '600'], { limits: { ...SMALL, cpus: 1 } })
    const dirs = kernelHolds.parents.map((one) => join(one.dir, sandbox.id))
    expect(dirs.every((dir) => existsSync(dir))).toBe(true)
    await sandbox.kill()
    expect(dirs.some((dir) => existsSync(dir))).toBe(false)
  })
})

function claudeBinary(): string | undefined {
  try {
    const name = `@anthropic-ai/claude-agent-sdk-linux-${process.arch}/package.json`
    return realpathSync(join(dirname(createRequire(import.meta.url).resolve(name)), 'claude'))
  } catch {
    return undefined
  }
}
