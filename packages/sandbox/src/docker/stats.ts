import type { SandboxLimits } from '../port.ts'
import type { Container } from './engine.ts'

const EVERY_MS = 250
const NANOSECONDS = 1e9

export interface Stats {
  /** As last asked; nothing asks while there is no limit of it. */
  cpuSeconds(): number
  measure(): Promise<{ rssBytes: number; processes: number }>
  stop(): void
}

/** What the control group counts, as the engine tells it: whole, wherever this process runs. */
export function createStats(container: Container, limits: SandboxLimits): Stats {
  let spent = 0
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  const ask = () => container.stats({ stream: false, 'one-shot': true })
  const later = () => {
    timer = setTimeout(async () => {
      // An engine that does not answer now answers later; wall time holds meanwhile.
      const stats = await ask().catch(() => undefined)
      spent = Math.max(spent, (stats?.cpu_stats?.cpu_usage?.total_usage ?? 0) / NANOSECONDS)
      if (!stopped) later()
    }, EVERY_MS)
    timer.unref()
  }
  if (limits.cpuSeconds !== undefined) later()
  return {
    cpuSeconds: () => spent,
    async measure() {
      const stats = await ask().catch(() => undefined)
      // Version 1 of the control groups says total_rss and counts shared pages apart; version 2 says anon and shmem.
      const memory: Record<string, number> = { ...stats?.memory_stats?.stats }
      return {
        rssBytes: (memory.anon ?? memory.total_rss ?? 0) + (memory.shmem ?? memory.total_shmem ?? 0),
        processes: stats?.pids_stats?.current ?? 0,
      }
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
