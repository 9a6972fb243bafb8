/**
 * Compiled code of the executor, made once and mounted read-only into every sandbox, so that a turn begins sooner.
 * It is made in a sandbox itself, because compiled code is filed under the paths that it was loaded from. No agent ever
 * writes to it: what one put there, the next sandbox's executor would run.
 */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { type Mount, type SandboxDriver, WORKSPACE } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'
import type { UsedConfig } from '../deps.ts'
import { messageOf } from '../fault.ts'
import type { ExecutorFiles } from './executor-files.ts'
import { limitsOf } from './spec.ts'

const cacheFolder = '/opt/tutti-cache'

export interface CompileCache {
  mount: Mount
  env: { NODE_COMPILE_CACHE: string }
}

export interface WarmUpDeps {
  driver: SandboxDriver
  executor: ExecutorFiles
  config: UsedConfig
  log: Logger
}

/** Resolves with undefined where it does not work: turns begin later then, and that is all. */
export const warmUp = async (deps: WarmUpDeps, folder: string): Promise<CompileCache | undefined> => {
  const { driver, executor, config, log } = deps
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const sandbox = await driver.start({
      id: `warm-up-${randomBytes(4).toString('hex')}`,
      workspace: folder,
      command: executor.warmUp,
      env: { PATH: executor.path, NODE_COMPILE_CACHE: WORKSPACE },
      readOnly: executor.mounts,
      limits: { ...limitsOf(config), wallMs: 60_000 },
    })
    sandbox.stdout.resume()
    sandbox.stderr.resume()
    const { code, reason } = await sandbox.exited
    if (code === 0) return { mount: { from: folder, to: cacheFolder }, env: { NODE_COMPILE_CACHE: cacheFolder } }
    log.warn({ code, reason }, 'the executor could not be compiled ahead')
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'the executor could not be compiled ahead')
  }
  return undefined
}
