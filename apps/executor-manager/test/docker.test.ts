/** A whole turn in a container: the manager, the executor, the agent's own SDK and tools; only the model is scripted. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createDockerDriver } from '@tutti/sandbox'
import { ownUsers } from '@tutti/sandbox/rig'
import { BASE_IMAGE, noEngine, startEngine, type TestEngine } from '@tutti/sandbox/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventsOf } from './support/fake-backend.ts'
import { bash, createStage, type Stage, script } from './support/stage.ts'

describe.skipIf(noEngine())('turns in containers', { timeout: 120_000 }, () => {
  let engine: TestEngine
  let stage: Stage

  beforeAll(async () => {
    engine = await startEngine()
    stage = await createStage()
    const driver = createDockerDriver({
      ...{ stateDir: join(stage.root, 'state'), image: BASE_IMAGE, engine: engine.address },
      users: ownUsers(10),
    })
    await stage.start({ driver })
  }, 300_000)
  afterAll(async () => {
    await stage?.close()
    await engine?.stop()
  })

  it('a-turn-works-and-its-next-turn-goes-on-in-a-container-of-its-own', async () => {
    const first = stage.backend.offer({
      prompt: script([
        bash('hostname; id -un; cat notes/a.txt; echo made > made.txt; ls /sys/class/net'),
        { say: 'Made.' },
      ]),
      config: { workspace: { files: [{ path: 'notes/a.txt', content: 'staged\n' }] } },
    })
    expect(await stage.finished(first)).toMatchObject({ outcome: 'completed', result: 'Made.' })
    expect(first.started).toMatchObject({ sandbox: 'docker' })
    const [said] = eventsOf(first, 'tool_result')
    expect(JSON.stringify(said?.output)).toContain('sandbox\\nagent\\nstaged\\nlo')
    const second = stage.backend.offer({
      ...{ prompt: script([bash('cat made.txt'), { say: 'Read.' }]), session_id: first.claimed.session_id },
    })
    expect(await stage.finished(second)).toMatchObject({ outcome: 'completed', result: 'Read.' })
    expect(JSON.stringify(eventsOf(second, 'tool_result')[0]?.output)).toContain('made')
    expect(await engine.engine.listContainers({ all: true })).toEqual([])
  })

  it('a-cancellation-ends-the-container', async () => {
    const run = stage.backend.offer({ prompt: script([bash('touch begun; sleep 600'), { say: 'Never.' }]) })
    await stage.backend.until(() => eventsOf(run, 'tool_call').length > 0)
    run.canceling = true
    expect(await stage.finished(run)).toMatchObject({ outcome: 'canceled' })
    expect(await engine.engine.listContainers({ all: true })).toEqual([])
  })
})

describe.skipIf(noEngine())('turns in containers that have a network', { timeout: 120_000 }, () => {
  // A bridge that a killed run has left would take the answers of one with the same addresses.
  const third = process.pid % 256
  const [subnet, gateway] = [`10.213.${third}.0/24`, `10.213.${third}.1`]
  let engine: TestEngine
  let stage: Stage
  let network: { remove(): Promise<unknown> } | undefined
  let port = 0

  beforeAll(async () => {
    engine = await startEngine({ hostGateway: gateway })
    const made = await engine.engine.createNetwork({
      ...{ Name: 'tutti-test', Driver: 'bridge', Internal: true },
      IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: gateway }] },
    })
    network = made
    expect(await made.inspect()).toMatchObject({ Internal: true })
    const free = createServer().listen(0, gateway)
    await once(free, 'listening')
    port = (free.address() as AddressInfo).port
    await new Promise((resolve) => free.close(resolve))
    stage = await createStage({
      ...{ managerHost: gateway, managerPort: port, sandboxDockerNetwork: 'tutti-test' },
      callbackBaseUrl: `http://host.docker.internal:${port}`,
    })
    const driver = createDockerDriver({
      ...{ stateDir: join(stage.root, 'state'), image: BASE_IMAGE, engine: engine.address },
      ...{ users: ownUsers(10), network: 'tutti-test' },
    })
    expect(await driver.check()).toMatchObject({ ok: true, notes: [expect.stringContaining('tutti-test')] })
    await stage.start({ driver })
  }, 300_000)
  afterAll(async () => {
    await stage?.close()
    // An engine that stops leaves its bridges.
    await network?.remove()
    await engine?.stop()
  })

  it('the-executor-reaches-its-manager-at-the-callback-address-and-nothing-of-it-is-published', async () => {
    const look = 'ls /sys/class/net; ls /run/tutti 2>&1 || true'
    const run = stage.backend.offer({ prompt: script([bash(look), { say: 'Seen.' }]) })
    await stage.backend.until(() => run.started)
    const [container] = await engine.engine.listContainers()
    const { NetworkSettings, HostConfig } = await engine.engine.getContainer(container?.Id ?? '').inspect()
    expect(Object.keys(NetworkSettings.Networks)).toEqual(['tutti-test'])
    expect(HostConfig).toMatchObject({ PortBindings: {}, ReadonlyRootfs: true, CapDrop: ['ALL'] })
    expect(await stage.finished(run)).toMatchObject({ outcome: 'completed', result: 'Seen.' })
    const said = JSON.stringify(eventsOf(run, 'tool_result')[0]?.output)
    expect(said).toContain('eth0')
    expect(said).toContain('No such file')
  })

  it('a-stranger-in-the-network-is-told-nothing', async () => {
    const asked = await Promise.all(
      ['/v1/turns/next', '/v1/events', '/model/v1/messages'].map((path) =>
        fetch(`http://${gateway}:${port}${path}`, { headers: { authorization: 'Bearer of-nobody' } }),
      ),
    )
    expect(asked.map(({ status }) => status)).toEqual([401, 401, 401])
  })
})
