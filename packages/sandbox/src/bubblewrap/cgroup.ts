import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from '../error.ts'
import type { SandboxLimits } from '../port.ts'
import type { CgroupParent, Controller } from './cgroup-find.ts'

/** The kernel's own default; version 1 keeps it unless told. */
const CPU_PERIOD_US = 100_000

/** The control groups of one sandbox. */
export interface SandboxCgroup {
  /** One directory per hierarchy; recorded so that a later process can remove them. */
  readonly dirs: readonly string[]
  /** Files a process writes 0 or its pid to, to join. */
  readonly procs: readonly string[]
  readonly holds: { memory: boolean; processes: boolean }
  members(): number[]
  /** True once the kernel killed something here for the memory limit. */
  outOfMemory(): boolean
  remove(): Promise<void>
}

/** Makes the groups and sets their limits. Undefined where there is no controller to use. */
export function createSandboxCgroup(
  parents: readonly CgroupParent[],
  id: string,
  limits: SandboxLimits,
): SandboxCgroup | undefined {
  const used = parentsFor(parents, limits)
  if (used.length === 0) return undefined
  const groups = used.map((parent) => ({ ...parent, dir: `${parent.dir}/${id}` }))
  for (const group of groups) {
    mkdirSync(group.dir)
    for (const controller of group.controllers) setLimit(group.dir, group.version, controller, limits)
  }
  const memory = groups.find((group) => group.controllers.includes('memory'))
  const dirs = groups.map((group) => group.dir)
  return {
    dirs,
    procs: dirs.map((dir) => `${dir}/cgroup.procs`),
    holds: { memory: memory !== undefined, processes: groups.some((group) => group.controllers.includes('pids')) },
    members: () => membersOf(dirs),
    outOfMemory() {
      if (memory === undefined) return false
      const events = read(`${memory.dir}/${memory.version === 2 ? 'memory.events' : 'memory.oom_control'}`)
      return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0) > 0
    },
    remove: () => removeCgroups(dirs),
  }
}

/** A group that would hold no limit is not made. */
export function parentsFor(parents: readonly CgroupParent[], limits: SandboxLimits): CgroupParent[] {
  return parents.filter((parent) => limits.cpus !== undefined || parent.controllers.some((one) => one !== 'cpu'))
}

/** Pids in any of these groups. */
export function membersOf(dirs: readonly string[]): number[] {
  const pids = dirs.flatMap((dir) => read(`${dir}/cgroup.procs`).split('\n').filter(Boolean).map(Number))
  return [...new Set(pids)]
}

/** Removes groups whose processes have ended; the kernel may need some milliseconds to let the last one go. */
export async function removeCgroups(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) {
    for (let tries = 0; !removed(dir); tries++) {
      if (tries === 200) throw new Error(`${dir} cannot be removed: it is still busy`)
      await delay(Math.min(1 + tries, 25))
    }
  }
}

function removed(dir: string): boolean {
  try {
    rmdirSync(dir)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true
    if (errorCode(error) === 'EBUSY') return false
    throw error
  }
}

function setLimit(dir: string, version: 1 | 2, controller: Controller, limits: SandboxLimits): void {
  const set = (file: string, value: number | string) => writeFileSync(`${dir}/${file}`, String(value))
  // The outer bwrap and the init of the sandbox count too.
  if (controller === 'pids') {
    set('pids.max', limits.processes + 2)
    return
  }
  if (controller === 'cpu') {
    if (limits.cpus === undefined) return
    const quota = Math.max(1000, Math.round(limits.cpus * CPU_PERIOD_US))
    if (version === 2) set('cpu.max', `${quota} ${CPU_PERIOD_US}`)
    else set('cpu.cfs_quota_us', quota)
    return
  }
  const files = readdirSync(dir)
  if (version === 1) {
    set('memory.limit_in_bytes', limits.memoryBytes)
    // With swap the limit would only make the host slow, not the sandbox small.
    if (files.includes('memory.memsw.limit_in_bytes')) set('memory.memsw.limit_in_bytes', limits.memoryBytes)
    return
  }
  set('memory.max', limits.memoryBytes)
  if (files.includes('memory.swap.max')) set('memory.swap.max', 0)
  if (files.includes('memory.oom.group')) set('memory.oom.group', 1)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
