import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRig, ended, NODE, ownUsers, type Rig, SMALL, unique, until } from '../conformance/rig.ts'
import { DEFAULT_LIMITS, type SandboxDriver } from '../port.ts'
import { BASE_IMAGE, noEngine, startEngine, type TestEngine } from '../testing/engine.ts'
import { createDockerDriver, type DockerOptions } from './driver.ts'

const users = ownUsers(30)

describe('without an engine', () => {
  const check = (engine: string) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'tutti-docker-'))
    const driver = createDockerDriver({ stateDir, engine, image: BASE_IMAGE })
    return driver.check().finally(() => rmSync(stateDir, { recursive: true }))
  }

  it('a-missing-engine-is-a-fault-with-its-remedy', async () => {
    expect(await check('unix:///nonexistent.sock')).toEqual({
      ok: false,
      fault: 'no container engine answers',
      remedy: 'install Docker, start it, or correct DOCKER_HOST',
    })
  })

  it('an-engine-over-the-network-is-refused', async () => {
    expect(await check('tcp://10.0.0.1:2375')).toMatchObject({ ok: false, remedy: expect.stringContaining('unix://') })
  })
})

describe.skipIf(noEngine())('docker on this host', { timeout: 60_000 }, () => {
  let engine: TestEngine
  let made: Rig | undefined
  const rig = () => {
    if (made === undefined) throw new Error('the rig exists only while a test runs')
    return made
  }
  const driverOf = (stateDir: string, more: Partial<DockerOptions> = {}): SandboxDriver =>
    createDockerDriver({ image: BASE_IMAGE, engine: engine.address, users, ...more, stateDir })
  const containers = async () => (await engine.engine.listContainers({ all: true })).length

  beforeAll(async () => {
    engine = await startEngine()
    made = createRig({
      ...{ name: 'docker', isolates: true, create: (stateDir) => driverOf(stateDir) },
      elsewhere: {
        module: new URL('./driver.ts', import.meta.url).href,
        factory: 'createDockerDriver',
        options: { image: BASE_IMAGE, engine: engine.address, users },
      },
    })
  }, 300_000)
  afterAll(async () => {
    await made?.close()
    await engine?.stop()
  })

  it('an-image-that-is-nowhere-is-a-fault-at-the-check', async () => {
    const check = await driverOf(rig().stateDir, { image: 'localhost:1/tutti/nothing:1' }).check()
    expect(check).toMatchObject({ ok: false, fault: expect.stringContaining('localhost:1/tutti/nothing:1') })
  })

  it('a-runtime-that-the-engine-does-not-know-is-a-fault-and-leaves-nothing', async () => {
    const check = await driverOf(rig().stateDir, { runtime: 'runsc' }).check()
    expect(check).toMatchObject({ ok: false, remedy: expect.stringContaining('SANDBOX_DOCKER_RUNTIME') })
    expect(await containers()).toBe(0)
  })

  it('a-command-that-is-not-there-ends-as-in-a-shell-and-leaves-nothing', async () => {
    expect(await rig().run(['/nonexistent/program'])).toMatchObject({ code: 127, reason: 'exit' })
    expect(await containers()).toBe(0)
  })

  it('node-runs-under-the-default-limits', async () => {
    const allocate = 'const a = []; for (let i = 0; i < 20; i++) a.push(Buffer.alloc(20 << 20, 1)); console.log("ok")'
    const run = await rig().run([NODE, '-e', allocate], { limits: DEFAULT_LIMITS })
    expect(run).toMatchObject({ code: 0, stdout: 'ok\n' })
  })

  it('nothing-that-the-engine-keeps-or-shows-holds-the-environment', async () => {
    const secret = unique('secret')
    const sandbox = await rig().start(['sh', '-c', 'echo "$TOKEN"; exec sleep 600'], { env: { TOKEN: secret } })
    // It is there, and was said.
    await until(() => String(sandbox.stdout.read() ?? '').includes(secret))
    const [container] = await engine.engine.listContainers()
    const shown = await engine.engine.getContainer(container?.Id ?? '').inspect()
    expect(shown.Config.Cmd).toContain('echo "$TOKEN"; exec sleep 600')
    expect(JSON.stringify(shown)).not.toContain(secret)
    const kept = join(engine.root, 'data', 'containers', container?.Id ?? '')
    const files = readdirSync(kept, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files.map(({ name }) => name)).toContain('config.v2.json')
    for (const { parentPath, name } of files) expect(readFileSync(join(parentPath, name), 'utf8')).not.toContain(secret)
    await sandbox.kill()
  })

  it('two-managers-with-one-engine-may-use-one-id-and-reap-only-their-own', async () => {
    const other = driverOf(join(rig().root, 'other-state'), { users: ownUsers(10) })
    const id = unique('same')
    const [mine, theirs] = await Promise.all([
      rig().start(['sleep', '600'], { id }),
      other.start(rig().spec(['sleep', '600'], { id })),
    ])
    expect(await rig().driver.reap()).toEqual([])
    expect(await other.reap()).toEqual([])
    expect((await mine.usage()).processes).toBeGreaterThan(0)
    await mine.kill()
    expect((await theirs.usage()).processes).toBeGreaterThan(0)
    await theirs.kill()
    expect(await containers()).toBe(0)
  })

  it('reap-ends-what-got-rid-of-its-watcher-and-outlived-its-manager', async () => {
    // Everything but the init and the command itself: so the watcher is gone when the manager dies.
    const rid =
      'kill 9, grep { $_ > 1 && $_ != $$ } map { m{(\\d+)$} } glob "/proc/[0-9]*"; $| = 1; print "rid"; sleep 1 while 1'
    const spec = rig().spec(['perl', '-e', rid])
    const manager = await rig().manager(spec)
    await until(async () => (await engine.engine.listContainers()).length === 1)
    manager.kill('SIGKILL')
    await ended(manager)
    await until(async () => {
      const [container] = await engine.engine.listContainers()
      const top = await engine.engine.getContainer(container?.Id ?? '').top()
      return top.Processes.length === 2
    })
    expect(await rig().driver.reap()).toEqual([spec.id])
    expect(await containers()).toBe(0)
    expect(await rig().run(['true'], { id: spec.id, workspace: spec.workspace })).toMatchObject({ code: 0 })
  })

  it('a-container-without-a-record-is-reaped-too', async () => {
    const spec = rig().spec(['sleep', '600'])
    const manager = await rig().manager(spec)
    rmSync(join(rig().stateDir, 'docker', 'sandboxes', `${spec.id}.json`))
    expect(await rig().driver.reap()).toEqual([spec.id])
    manager.kill('SIGKILL')
    await ended(manager)
  })

  it('a-container-that-somebody-removes-has-ended', async () => {
    const sandbox = await rig().start(['sleep', '600'])
    const [container] = await engine.engine.listContainers()
    await engine.engine.getContainer(container?.Id ?? '').remove({ force: true })
    expect(await sandbox.exited).toMatchObject({ code: expect.toSatisfy((code) => code === null || code === 137) })
    expect(existsSync(join(rig().stateDir, 'docker', 'sandboxes', `${sandbox.id}.json`))).toBe(false)
  })

  it('the-share-of-the-processors-and-the-limits-are-the-engines', async () => {
    const sandbox = await rig().start(['sleep', '600'], { limits: { ...SMALL, cpus: 0.5 } })
    const [container] = await engine.engine.listContainers()
    const { HostConfig } = await engine.engine.getContainer(container?.Id ?? '').inspect()
    expect(HostConfig).toMatchObject({
      ...{ NanoCpus: 5e8, Memory: SMALL.memoryBytes, MemorySwap: SMALL.memoryBytes, PidsLimit: SMALL.processes + 2 },
      ...{ NetworkMode: 'none', ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false },
    })
    await sandbox.kill()
  })
})
