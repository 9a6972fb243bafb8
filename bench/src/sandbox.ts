/** From `start` to the end of a first, empty command; and how long one that waited, stopped, takes until it goes on. */

import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createBubblewrapDriver, DEFAULT_LIMITS, type SandboxDriver } from '@tutti/sandbox'
import { type Figure, figure, timed } from './measure.ts'
import { scratchFolder } from './scratch.ts'

export const sandbox = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (folder) => {
    const driver = createBubblewrapDriver({ stateDir: join(folder, 'state') })
    const workspace = join(folder, 'workspace')
    await mkdir(workspace)
    const samples = await coldStarts(driver, workspace, quick ? 11 : 51)
    return [
      figure('sandbox: start to end of /bin/true', 'ms', samples),
      figure('sandbox: resume to the first answer of a paused process', 'ms', await resuming(driver, workspace, quick)),
      figure(
        'sandbox: binding one that was started ahead, to its first answer',
        'ms',
        await binding(driver, folder, quick),
      ),
    ]
  })

/** Each to a workspace with twenty files, which it lists. */
const binding = async (driver: SandboxDriver, folder: string, quick: boolean): Promise<number[]> => {
  const samples: number[] = []
  for (let n = 0; n < (quick ? 10 : 50); n += 1) {
    const [own, workspace] = [join(folder, `own-${n}`), join(folder, `workspace-${n}`)]
    await mkdir(own)
    await mkdir(workspace)
    for (let file = 0; file < 20; file += 1) await writeFile(join(workspace, `${file}.txt`), 'content')
    const sandbox = await driver.start({
      ...{ id: `bench-ahead-${n}`, ahead: true, workspace: own, env: {}, readOnly: [], limits: DEFAULT_LIMITS },
      command: [
        '/usr/bin/perl',
        '-e',
        '$| = 1; print "x\\n"; select undef, undef, undef, 0.001 until -e "0.txt"; print <*>',
      ],
    })
    await once(sandbox.stdout, 'readable')
    while (sandbox.stdout.read() !== null);
    await sandbox.pause()
    samples.push(
      await timed(async () => {
        await sandbox.bind({ workspace })
        await sandbox.resume()
        await once(sandbox.stdout, 'readable')
      }),
    )
    await sandbox.kill()
  }
  return samples.slice(1)
}

/** From `start` to the end of a first, empty command. The first of them is not counted. */
export const coldStarts = async (driver: SandboxDriver, workspace: string, times: number): Promise<number[]> => {
  const samples: number[] = []
  for (let n = 0; n < times; n += 1)
    samples.push(
      await timed(async () => {
        const started = await driver.start({
          ...{ id: `bench-${n}`, workspace, command: ['/bin/true'], env: {}, readOnly: [] },
          limits: DEFAULT_LIMITS,
        })
        started.stdout.resume()
        started.stderr.resume()
        const { code } = await started.exited
        if (code !== 0) throw new Error(`the sandbox ended with ${code}`)
      }),
    )
  return samples.slice(1)
}

/** It says something every millisecond: what was said before the pause is read first. */
const resuming = async (driver: SandboxDriver, workspace: string, quick: boolean): Promise<number[]> => {
  const saying = 'while :; do echo x; sleep 0.001; done'
  const sandbox = await driver.start({
    ...{ id: 'bench-paused', workspace, command: ['/bin/sh', '-c', saying], env: {}, readOnly: [] },
    limits: DEFAULT_LIMITS,
  })
  const samples: number[] = []
  for (let n = 0; n < (quick ? 10 : 50); n += 1) {
    await once(sandbox.stdout, 'readable')
    await sandbox.pause()
    while (sandbox.stdout.read() !== null);
    samples.push(
      await timed(async () => {
        await sandbox.resume()
        await once(sandbox.stdout, 'readable')
      }),
    )
  }
  await sandbox.kill()
  return samples.slice(1)
}
