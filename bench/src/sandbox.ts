/** From `start` to the end of a first, empty command. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createBubblewrapDriver, DEFAULT_LIMITS } from '@tutti/sandbox'
import { type Figure, figure, timed } from './measure.ts'
import { scratchFolder } from './scratch.ts'

export const sandbox = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const driver = createBubblewrapDriver({ stateDir: join(folder, 'state') })
    const workspace = join(folder, 'workspace')
    await mkdir(workspace)
    const samples: number[] = []
    for (let n = 0; n < (quick ? 10 : 50); n += 1)
      samples.push(
        await timed(async () => {
          const started = await driver.start({
            id: `bench-${n}`,
            workspace,
            command: ['/bin/true'],
            env: {},
            readOnly: [],
            limits: DEFAULT_LIMITS,
          })
          started.stdout.resume()
          started.stderr.resume()
          const { code } = await started.exited
          if (code !== 0) throw new Error(`the sandbox ended with ${code}`)
        }),
      )
    return [figure('sandbox: start to end of /bin/true', 'ms', samples.slice(1))]
  })
