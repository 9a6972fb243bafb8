import { setTimeout as delay } from 'node:timers/promises'
import { type ProcessStat, readProcess } from './processes.ts'

const PATIENCE_MS = 5_000

/**
 * Stops processes by signal, where no control group can freeze them. SIGSTOP cannot be caught; but a process inside may
 * continue another, and what is continued is stopped again until a look finds nothing that runs.
 */
export function createSignalFreezer(members: () => readonly number[]): {
  freeze(): Promise<void>
  thaw(): Promise<void>
} {
  return {
    async freeze() {
      const deadline = performance.now() + PATIENCE_MS
      // Twice in a row: a process that was just forked is found by the second look only.
      for (let quiet = 0; quiet < 2; ) {
        const found = members().flatMap((pid) => readProcess(pid) ?? [])
        const running = found.filter((one) => !one.zombie && !one.stopped)
        quiet = running.length === 0 ? quiet + 1 : 0
        if (performance.now() > deadline)
          throw new Error(`processes go on: ${running.map(({ pid }) => pid).join(', ')}`)
        for (const { pid } of running) signal(pid, 'SIGSTOP')
        for (const { pid } of awaited(running, found)) signal(pid, 'SIGCONT')
        await delay(2)
      }
    },
    async thaw() {
      for (const pid of members()) signal(pid, 'SIGCONT')
    },
  }
}

/**
 * Children that were stopped between vfork and exec. Their parent stops only once they are through: they get a few
 * milliseconds more, and are stopped by a later look.
 */
function awaited(running: readonly ProcessStat[], all: readonly ProcessStat[]): ProcessStat[] {
  const parents = new Set(running.filter((one) => one.uninterruptible).map(({ pid }) => pid))
  return all.filter((one) => one.stopped && parents.has(one.parent))
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  // 0 and 1 would mean this process group and the host's init.
  if (pid <= 1 || pid === process.pid) return
  try {
    process.kill(pid, name)
  } catch {
    // Gone meanwhile.
  }
}
