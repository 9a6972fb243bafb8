/** A snapshot of a workspace of ten thousand files of which ten have changed, and a restore of it on a new host. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLocalObjects } from '@tutti/objects'
import { silentLogger } from '@tutti/telemetry'
import { exportWorkspace } from '../../apps/executor-manager/src/export/export.ts'
import { createContentCache } from '../../apps/executor-manager/src/files/content-cache.ts'
import { restore } from '../../apps/executor-manager/src/snapshot/restore.ts'
import { homeOf, makeHome } from '../../apps/executor-manager/src/stage/home.ts'
import { type Figure, figure, timed } from './measure.ts'
import { scratchFolder } from './scratch.ts'

const [folders, filesPerFolder, changed] = [200, 50, 10]
const session = '0b7e5f5c-55b1-4a39-8f4e-9f6f0a1b2c3d'
const run = { run_id: '6a1f0d3e-0d53-4c0a-9d5e-2f0c4a6b7c8d', attempt: 1 }

export const snapshot = (quick: boolean): Promise<Figure[]> =>
  scratchFolder(async (scratch) => {
    const objects = createLocalObjects({
      root: join(scratch, 'objects'),
      publicUrl: 'http://x',
      secret: 'of benchmarks',
    })
    const home = homeOf(join(scratch, 'one'), 'bench', session)
    await makeHome(home)
    for (let folder = 0; folder < folders; folder += 1) {
      await mkdir(join(home.workspace, `f${folder}`))
      for (let file = 0; file < filesPerFolder; file += 1)
        await writeFile(join(home.workspace, `f${folder}/${file}.txt`), `${folder} ${file}\n`.repeat(100))
    }
    const rules = { ignoreDotFiles: true, patterns: [], signal: new AbortController().signal }
    const bounds = { maxFiles: 100_000, maxBytes: 1024 ** 3, tries: 1, pauseMs: 1, awayMs: () => 0, parallel: 8 }
    let key = ''
    const store = async (): Promise<void> => {
      const { manifest_key } = await exportWorkspace({ objects, log: silentLogger }, run, home, { ...rules, ...bounds })
      key = manifest_key
    }
    const first = await timed(store)
    const samples: number[] = []
    for (let n = 0; n < (quick ? 5 : 20); n += 1) {
      for (let file = 0; file < changed; file += 1)
        await writeFile(join(home.workspace, `f${file * 7}/${n}.txt`), `changed ${n} ${file}`)
      samples.push(await timed(store))
    }
    const restores: number[] = []
    for (let n = 0; n < (quick ? 1 : 3); n += 1) {
      const workspaceRoot = join(scratch, `other${n}`)
      const other = homeOf(workspaceRoot, 'bench', session)
      await makeHome(other)
      const cache = createContentCache({ workspaceRoot, maxBytes: 1024 ** 3 })
      restores.push(await timed(() => restore(run, other, key, { ...rules, objects, cache })))
    }
    return [
      figure('snapshot: the first, of 10,000 files', 'ms', [first]),
      figure('snapshot: 10 of 10,000 files changed', 'ms', samples),
      figure('restore: 10,000 files on a new host', 'ms', restores),
    ]
  })
