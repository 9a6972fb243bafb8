import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SandboxError } from '../error.ts'
import type { SandboxCheck, SandboxDriver } from '../port.ts'
import { readProc } from '../supervise/processes.ts'
import { type Engine, engineFault, statusOf } from './engine.ts'
import type { Parts } from './start.ts'

/** Asks the engine, brings the image, then starts a sandbox: only that shows that it works. */
export async function checkDocker(parts: Parts, start: SandboxDriver['start']): Promise<SandboxCheck> {
  try {
    const engine = await parts.engine()
    const info = await engine.info()
    await haveImage(engine, parts)
    await trial(parts, start)
    const unheld = (
      [
        ['MemoryLimit', 'memory'],
        ['PidsLimit', 'processes'],
        ['CpuCfsQuota', 'the share of processors'],
      ] as const
    ).flatMap(([name, what]) => (info[name] === false ? [`the engine's host does not hold ${what}`] : []))
    return {
      ok: true,
      notes: [
        ...unheld,
        ...(process.getuid?.() === 0 ? [] : ['not root: sandboxes share the host user of this process']),
        ...(parts.network === undefined
          ? []
          : [
              `sandboxes are in the network ${parts.network}: they reach all that it reaches, and the list of allowed hosts does not hold them`,
            ]),
        ...(seesHost()
          ? []
          : [
              'processes of sandboxes cannot be seen from here: deleted files that are still open do not count as disk',
            ]),
      ],
    }
  } catch (error) {
    const { fault, remedy } = engineFault(error, 'the container engine refuses')
    return { ok: false, fault, remedy }
  }
}

/** Now and not at the first run: a slow pull would outlast the claim of the run that waits for it. */
async function haveImage(engine: Engine, { image, log }: Parts): Promise<void> {
  try {
    await engine.getImage(image).inspect()
    return
  } catch (error) {
    if (statusOf(error) !== 404) throw error
  }
  log('info', 'pulling the image of sandboxes', { image })
  try {
    const progress = await engine.pull(image)
    await new Promise<void>((resolve, reject) => {
      engine.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()))
    })
  } catch (error) {
    throw new SandboxError(
      `the image ${image} is not on this host and cannot be pulled: ${error instanceof Error ? error.message : error}`,
      'pull or build the image that EXECUTOR_IMAGE names',
      { cause: error },
    )
  }
}

async function trial(parts: Parts, start: SandboxDriver['start']): Promise<void> {
  const workspace = await mkdtemp(join(parts.stateDir, 'trial-'))
  try {
    const sandbox = await start({
      ...{ id: `trial-${process.pid}-${Date.now().toString(36)}`, workspace, env: {}, readOnly: [] },
      // Written and not only entered: the engine may map users in a way that leaves the workspace a stranger's.
      command: ['/bin/sh', '-c', ': >/workspace/written'],
      limits: { memoryBytes: 256 * 1024 * 1024, processes: 16, wallMs: 10_000 },
    })
    const { code, reason } = await sandbox.exited
    if (code !== 0) throw new SandboxError(`a trial sandbox ended with ${code ?? reason}`, 'see the log')
  } finally {
    await rm(workspace, { recursive: true, force: true })
  }
}

/** Whether this process is outside of containers: process 2 of a host is the kernel's own. */
function seesHost(): boolean {
  return readProc('2/comm')?.trim() === 'kthreadd'
}
