import type { ExitReason, SandboxLimits } from '../port.ts'
import { deletedBytes, directoryBytes, directoryFiles } from './disk.ts'
import { proportionalBytes, residentBytes, scratchBytes } from './memory.ts'
import { readProcess } from './processes.ts'

const TICK_MS = 100
const DISK_MS = 500
/** Of one that is paused: it can only write where it got around its pause. */
const DISK_PAUSED_MS = 10_000
/** A big workspace is measured less often: measuring takes at most this share of the time. */
const DISK_SHARE = 0.1
const TICKS_PER_SECOND = 100

/** One sandbox as the watchdog sees it. */
export interface Watched {
  limits: SandboxLimits
  /** Where its workspace lies now. */
  workspace(): string
  /** What runs in it, as seen at most so long ago: many sandboxes share one look at the host. */
  members(maxAgeMs?: number): number[]
  /** A process inside and its memory file systems, once known. */
  inside(): { pid: number; mounts: readonly string[] } | undefined
  /** True once the kernel has ended something inside for the memory limit. */
  outOfMemory(): boolean
  /** Of all processes together, where something else counts it; else it is read from the members. */
  cpuSeconds?: (() => number) | undefined
  /** Where the kernel itself holds the limit, the watchdog need not. */
  kernelHolds: { memory: boolean; processes: boolean }
  /** Whether it is to stand still. */
  paused(): boolean
  end(reason: ExitReason): void
}

/**
 * Looks at one sandbox about ten times a second and ends it when it crosses a limit the kernel does not hold by
 * itself. Between two looks a sandbox can take more than its limit; where that matters the memory controller is wanted.
 */
export function watch(one: Watched): { stop(): void; startWall(): void; overDisk(): Promise<boolean> } {
  const { limits } = one
  let deletedMemory = 0
  const overDisk = async () => {
    if (limits.files !== undefined && (await directoryFiles(one.workspace())) > limits.files) return true
    if (limits.diskBytes === undefined) return false
    const open = deletedBytes(one.members(), one.workspace())
    deletedMemory = open.memory
    return open.disk + (await directoryBytes(one.workspace())) >= limits.diskBytes
  }

  const look = (): ExitReason | undefined => {
    if (one.outOfMemory()) return 'memory'
    const needs = !one.kernelHolds.memory || !one.kernelHolds.processes || limits.cpuSeconds !== undefined
    if (!needs) return undefined
    const pids = one.members(TICK_MS / 2)
    const found = pids.flatMap((pid) => readProcess(pid) ?? [])
    // Twice the limit, since the outer processes count too and a fork past the limit already fails inside.
    if (!one.kernelHolds.processes && total(found, (it) => it.threads) > limits.processes * 2) return 'processes'
    if (limits.cpuSeconds !== undefined) {
      const spent = one.cpuSeconds?.() ?? total(found, (it) => it.cpuTicks) / TICKS_PER_SECOND
      if (spent > limits.cpuSeconds) return 'time'
    }
    if (one.kernelHolds.memory) return undefined
    const inside = one.inside()
    const files = deletedMemory + (inside ? scratchBytes(inside.pid, inside.mounts) : 0)
    if (residentBytes(pids) + files <= limits.memoryBytes) return undefined
    return proportionalBytes(pids) + files > limits.memoryBytes ? 'memory' : undefined
  }

  const tick = setInterval(() => {
    const reason = look()
    if (reason) one.end(reason)
  }, TICK_MS)
  tick.unref()

  let stopped = false
  let diskTimer: NodeJS.Timeout | undefined
  let paused = 0
  const diskLater = (ms: number) => {
    diskTimer = setTimeout(async () => {
      paused = one.paused() ? paused + ms : 0
      if (paused > 0 && paused < DISK_PAUSED_MS) return diskLater(DISK_MS)
      paused = 0
      const begun = performance.now()
      const over = await overDisk()
      if (stopped) return
      if (over) one.end('disk')
      else diskLater(Math.max(DISK_MS, (performance.now() - begun) / DISK_SHARE))
    }, ms)
    diskTimer.unref()
  }
  if (limits.diskBytes !== undefined || limits.files !== undefined) diskLater(DISK_MS)

  let wall: NodeJS.Timeout | undefined

  return {
    overDisk,
    startWall() {
      if (limits.wallMs !== undefined) wall = setTimeout(() => one.end('time'), limits.wallMs).unref()
    },
    stop() {
      stopped = true
      clearInterval(tick)
      clearTimeout(diskTimer)
      clearTimeout(wall)
    },
  }
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0)
}
