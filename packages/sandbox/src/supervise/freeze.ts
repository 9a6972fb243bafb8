import { setTimeout as delay } from 'node:timers/promises'
import { readProcess } from './processes.ts'

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
        const running = members().filter(runs)
        quiet = running.length === 0 ? quiet + 1 : 0
        if (performance.now() > deadline) throw new Error(`processes go on: ${running.join(', ')}`)
        for (const pid of running) signal(pid, 'SIGSTOP')
        await delay(2)
      }
    },
    async thaw() {
      for (const pid of members()) signal(pid, 'SIGCONT')
    },
  }
}

function runs(pid: number): boolean {
  const found = readProcess(pid)
  return found !== undefined && !found.zombie && !found.stopped
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
