/** The same as `sandbox`, of containers, on an engine of the benchmark's own: root and the programs of the nightly tests are needed. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createDockerDriver } from '@tutti/sandbox'
import { BASE_IMAGE, startEngine } from '@tutti/sandbox/testing'
import { type Figure, figure } from './measure.ts'
import { coldStarts } from './sandbox.ts'
import { scratchFolder } from './scratch.ts'

export const docker = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const workspace = join(folder, 'workspace')
    await mkdir(workspace)
    const engine = await startEngine()
    try {
      const stateDir = join(folder, 'state')
      const driver = createDockerDriver({ stateDir, engine: engine.address, image: BASE_IMAGE })
      const samples = await coldStarts(driver, workspace, quick ? 6 : 26)
      return [figure('docker: start to end of /bin/true', 'ms', samples)]
    } finally {
      await engine.stop()
    }
  })
