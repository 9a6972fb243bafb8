import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { ExitReason, Sandbox, SandboxExit, SandboxLog } from '../port.ts'
import type { ResolvedSpec } from '../spec.ts'
import { directoryBytes } from './disk.ts'
import { extinguish } from './extinguish.ts'
import { residentBytes } from './memory.ts'
import { boundedOutput } from './output.ts'
import { readProcess } from './processes.ts'
import { type Watched, watch } from './watchdog.ts'

export interface Supervised {
  spec: ResolvedSpec
  /** Already running. */
  child: ChildProcess & { stdout: Readable; stderr: Readable; pid: number }
  members: Watched['members']
  inside: Watched['inside']
  outOfMemory: Watched['outOfMemory']
  kernelHolds: Watched['kernelHolds']
  /** Gives back what the sandbox held: its user, groups, records. `clean` is false where something would not die. */
  release(clean: boolean): Promise<void>
  log: SandboxLog
}

/** The life of a started child, the same for every adapter that runs local processes: watch, end, sweep, release. */
export function supervise(it: Supervised): Sandbox & { watchLimits(): void } {
  const { child, spec } = it
  let ending: ExitReason | undefined
  let sweeping: Promise<boolean> | undefined
  let watching: ReturnType<typeof watch> | undefined

  const sweep = () => {
    sweeping ??= extinguish(() => it.members(), it.inside()?.pid).finally(() => {
      sweeping = undefined
    })
    return sweeping
  }
  const end = (reason: ExitReason) => {
    if (ending === undefined && reason !== 'killed')
      it.log('warn', 'sandbox ended for a limit', { id: spec.id, reason })
    ending ??= reason
    void sweep()
  }

  const childExit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const settle = async (): Promise<SandboxExit> => {
    const { code, signal } = await childExit
    const reason = ending ?? (await reasonOf(code))
    watching?.stop()
    // What the command left running has nobody to answer to; it must not outlive the sandbox.
    const clean = await sweep()
    if (!clean) it.log('error', 'a process of the sandbox does not die', { id: spec.id, pids: it.members() })
    try {
      await it.release(clean)
    } catch (error) {
      it.log('error', 'the sandbox is gone but its remains are not', { id: spec.id, error: String(error) })
    }
    return reason === 'exit' ? { code, signal, reason } : { code: null, signal: signal ?? 'SIGKILL', reason }
  }
  /** A command that failed may have failed at a limit just before anybody looked. */
  const reasonOf = async (code: number | null): Promise<ExitReason> => {
    if (code === 0) return 'exit'
    if (it.outOfMemory()) return 'memory'
    return (await watching?.overDisk()) ? 'disk' : 'exit'
  }
  const exited = settle()

  return {
    id: spec.id,
    pid: child.pid,
    stdout: boundedOutput(child.stdout),
    stderr: boundedOutput(child.stderr),
    exited,
    async usage() {
      const pids = it.members()
      const threads = pids.reduce((sum, pid) => {
        const found = readProcess(pid)
        return sum + (found && !found.zombie ? found.threads : 0)
      }, 0)
      return {
        rssBytes: residentBytes(pids),
        processes: threads,
        workspaceBytes: await directoryBytes(spec.workspace),
      }
    },
    async kill() {
      end('killed')
      await exited
    },
    watchLimits() {
      watching = watch({ ...it, limits: spec.limits, workspace: spec.workspace, end })
    },
  }
}
