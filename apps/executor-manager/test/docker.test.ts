/** A whole turn in a container: the manager, the executor, the agent's own SDK and tools; only the model is scripted. */
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
