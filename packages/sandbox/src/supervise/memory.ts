import { statfsSync } from 'node:fs'
import { readProc } from './processes.ts'

/** What the kernel keeps for a file that exists only in memory, besides its content: a million empty ones are 1 GB. */
const INODE_BYTES = 1024

/**
 * Memory of a set of processes that no file cache explains: anonymous and shared pages. File pages are left out: the
 * kernel takes them back when it needs them, and a 380 MB binary run five times would count five times.
 */
export function residentBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => fields(readProc(`${pid}/status`), ['RssAnon', 'RssShmem']))
}

/**
 * The same with each shared page counted once. Dear (it walks page tables), so it is asked only when the cheap sum,
 * which counts a page again in every process forked after it was written, is over a limit.
 */
export function proportionalBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const rollup = readProc(`${pid}/smaps_rollup`)
    return rollup === undefined || rollup === ''
      ? fields(readProc(`${pid}/status`), ['RssAnon', 'RssShmem'])
      : fields(rollup, ['Pss_Anon', 'Pss_Shmem'])
  })
}

/** What a sandbox keeps in its memory file systems, seen through one of its processes. */
export function scratchBytes(pid: number, mounts: readonly string[]): number {
  return sum(mounts, (mount) => {
    try {
      const fs = statfsSync(`/proc/${pid}/root${mount}`)
      return (fs.blocks - fs.bfree) * fs.bsize + (fs.files - fs.ffree) * INODE_BYTES
    } catch {
      return 0
    }
  })
}

function fields(text: string | undefined, names: readonly string[]): number {
  if (text === undefined) return 0
  return sum(names, (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024)
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
