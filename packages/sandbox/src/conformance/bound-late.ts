import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BubblewrapOptions, createBubblewrapDriver } from '../bubblewrap/driver.ts'
import type { SandboxDriver } from '../port.ts'
import { unique } from './rig.ts'

/** Waits until it is bound, and is the given command then. */
const WAITING = 'while ! rm /workspace/.bound 2>/dev/null; do sleep 0.01; done; exec "$@"'

export const createBoundLateDriver = (options: BubblewrapOptions): SandboxDriver =>
  boundLate(createBubblewrapDriver(options), options.stateDir)

/**
 * A driver of which every sandbox was started ahead and bound to its workspace afterwards: whatever holds for sandboxes
 * must hold for these.
 */
function boundLate(driver: SandboxDriver, stateDir: string): SandboxDriver {
  return {
    ...driver,
    async start(spec) {
      // What is started ahead itself needs no help.
      if (spec.ahead) return driver.start(spec)
      const workspace = join(stateDir, unique('ahead'))
      mkdirSync(workspace)
      // Meant for the command: the shell that waits for it is none of the test's.
      const { LD_PRELOAD, ...env } = spec.env
      const preload = LD_PRELOAD === undefined ? [] : ['/usr/bin/env', `LD_PRELOAD=${LD_PRELOAD}`]
      const command = ['/bin/sh', '-c', WAITING, 'waiting', ...preload, ...spec.command]
      const sandbox = await driver.start({
        ...{ ...spec, ahead: true, workspace, env },
        command: spec.command.length === 0 ? [] : command,
      })
      try {
        await sandbox.bind({ workspace: spec.workspace, labels: spec.labels ?? {} })
      } catch (error) {
        await sandbox.kill()
        throw error
      }
      writeFileSync(join(spec.workspace, '.bound'), '')
      await sandbox.resume()
      return sandbox
    },
  }
}
