import { afterAll, beforeAll, describe } from 'vitest'
import { sandboxConformance } from '../conformance/conformance.ts'
import { ownUsers } from '../conformance/rig.ts'
import { BASE_IMAGE, noEngine, startEngine, type TestEngine } from '../testing/engine.ts'
import { createDockerDriver, type DockerOptions } from './driver.ts'

describe.skipIf(noEngine())('with an engine', () => {
  let engine: TestEngine | undefined
  // Filled in before the suite reads it: the address is not known before the engine is started.
  const options: Omit<DockerOptions, 'stateDir'> = { image: BASE_IMAGE, users: ownUsers(50) }
  beforeAll(async () => {
    engine = await startEngine()
    options.engine = engine.address
  }, 300_000)
  afterAll(() => engine?.stop())

  sandboxConformance({
    name: 'docker',
    isolates: true,
    escapes: process.env.TUTTI_ESCAPES === '1',
    create: (stateDir) => createDockerDriver({ ...options, stateDir }),
    elsewhere: {
      module: new URL('./driver.ts', import.meta.url).href,
      factory: 'createDockerDriver',
      options,
    },
  })
})
