import { setTimeout as delay } from 'node:timers/promises'
import { readProcess } from './processes.ts'

const PATIENCE_MS = 30_000

/**
 * Kills whatever `members` lists until it lists nothing that runs. `first` names the process whose end takes the
 * others along (the sandbox's init): killed first, nothing can fork away from the sweep.
 * False where something outlives 30 s of SIGKILL, i.e. hangs in the kernel.
 */
export async function extinguish(members: () => readonly number[], first?: number): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS
  for (let pause = 2; ; pause = Math.min(pause * 2, 100)) {
    const running = members().filter((pid) => {
      const found = readProcess(pid)
      return found !== undefined && !found.zombie
    })
    if (running.length === 0) return true
    if (performance.now() > deadline) return false
    if (first !== undefined && running.includes(first)) kill(first)
    for (const pid of running) kill(pid)
    await delay(pause)
  }
}

function kill(pid: number): void {
  // 0 and 1 would mean this process group and the host's init.
  if (pid <= 1 || pid === process.pid) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone meanwhile.
  }
}
