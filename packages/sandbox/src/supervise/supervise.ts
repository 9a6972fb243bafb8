import type { Readable } from 'node:stream'
import { errorMessage, SandboxError } from '../error.ts'
import type { Binding, ExitReason, Sandbox, SandboxExit, SandboxLog } from '../port.ts'
import { type ResolvedSpec, resolveWorkspace } from '../spec.ts'
import { directoryBytes } from './disk.ts'
import { extinguish } from './extinguish.ts'
import { createSignalFreezer } from './freeze.ts'
import { residentBytes } from './memory.ts'
import { boundedOutput } from './output.ts'
import { readProcess } from './processes.ts'
import { type Watched, watch } from './watchdog.ts'

/** What the supervised command is to the host: a child process, or a container of an engine. */
export interface Running {
  /** Of the outermost process, on the host. */
  pid: number
  stdout: Readable
  stderr: Readable
  /** Resolves when the outermost process is gone. Never rejects. */
  ended: Promise<{ code: number | null; signal: string | null }>
}

export interface Supervised {
  spec: ResolvedSpec
  running: Running
  /** Ends everything inside, where there is a better way than a signal to each process. */
  stop?(): Promise<void>
  /** Stops and continues everything inside, where the kernel does that to a whole group; else by signals. */
  freezer?: { freeze(): Promise<void>; thaw(): Promise<void> } | undefined
  members: Watched['members']
  inside: Watched['inside']
  outOfMemory: Watched['outOfMemory']
  cpuSeconds?: Watched['cpuSeconds']
  /** Memory and processes, where not every process inside can be seen from here. */
  measure?(): Promise<{ rssBytes: number; processes: number }>
  kernelHolds: Watched['kernelHolds']
  /** Puts the sandbox's own directory into the workspace's place, where the driver can do that. All stands still. */
  bind?(to: Binding): Promise<void>
  /** Gives back what the sandbox held: its user, groups, records. `clean` is false where something would not die. */
  release(clean: boolean): Promise<void>
  log: SandboxLog
}

/** The life of what was started, the same for every adapter: watch, end, sweep, release. */
export function supervise(it: Supervised): Sandbox & { watchLimits(): void } {
  const { running, spec } = it
  let ending: ExitReason | undefined
  let sweeping: Promise<boolean> | undefined
  let watching: ReturnType<typeof watch> | undefined
  let paused = false
  let workspace = spec.workspace
  let bound = spec.ahead !== true

  const sweep = () => {
    const extinguished = async () => {
      await it.stop?.()
      return extinguish(() => it.members(), it.inside()?.pid)
    }
    sweeping ??= extinguished().finally(() => {
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

  const settle = async (): Promise<SandboxExit> => {
    const { code, signal } = await running.ended
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
  const freezer = it.freezer ?? createSignalFreezer(() => it.members())
  let last: Promise<void> = Promise.resolve()
  /** One after the other: of two at once nobody could say which came last. */
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    last = last
      .then(() => (ending === undefined ? act() : undefined))
      .catch((error: unknown) => {
        it.log('warn', 'the sandbox could not be paused or resumed', { id: spec.id, error: String(error) })
      })
    return last
  }

  const pause = () =>
    inTurn(async () => {
      await freezer.freeze()
      paused = true
    })

  return {
    id: spec.id,
    pid: running.pid,
    stdout: boundedOutput(running.stdout),
    stderr: boundedOutput(running.stderr),
    exited,
    async memoryBytes() {
      return it.measure ? (await it.measure()).rssBytes : residentBytes(it.members())
    },
    async usage() {
      const workspaceBytes = await directoryBytes(workspace)
      if (it.measure) return { ...(await it.measure()), workspaceBytes }
      const pids = it.members()
      const threads = pids.reduce((sum, pid) => {
        const found = readProcess(pid)
        return sum + (found && !found.zombie ? found.threads : 0)
      }, 0)
      return { rssBytes: residentBytes(pids), processes: threads, workspaceBytes }
    },
    pause,
    resume: () =>
      inTurn(() => {
        paused = false
        return freezer.thaw()
      }),
    async bind(to) {
      const refused = (fault: string, cause?: unknown) =>
        new SandboxError(`the sandbox ${spec.id} cannot be bound: ${fault}`, 'start another one', { cause })
      if (bound || it.bind === undefined) throw refused('it has its workspace')
      bound = true
      try {
        const place = await resolveWorkspace(to.workspace)
        if (!paused) await pause()
        // Not frozen, or gone: what still ran could do in the workspace what its owner is about to do.
        if (!paused || ending !== undefined) throw new Error('it does not stand still')
        await it.bind({ ...to, workspace: place })
        workspace = place
        watching?.startWall()
      } catch (error) {
        throw error instanceof SandboxError ? error : refused(errorMessage(error), error)
      }
    },
    async kill() {
      end('killed')
      await exited
    },
    watchLimits() {
      watching = watch({ ...it, limits: spec.limits, workspace: () => workspace, paused: () => paused, end })
      if (bound) watching.startWall()
    },
  }
}
