import { closeSync, fstatSync, openSync, readlinkSync, statSync } from 'node:fs'
import { allPids } from './processes.ts'

/** The processes of one sandbox, found by the pid namespace that they share. */
export interface PidNamespace {
  /** Pids in it as of at most so long ago; only those this process may look into. None after `close`. */
  pids(maxAgeMs?: number): number[]
  close(): void
}

/**
 * Holds the pid namespace of a process open; undefined where that process is gone. To be closed when everything of the
 * sandbox is over.
 *
 * Held, because its number alone is no name: within some milliseconds of its end the kernel gives the number to the next
 * namespace that is made, and who swept up after a container by it would end the sandbox that began meanwhile.
 */
export function holdPidNamespace(pid: number): PidNamespace | undefined {
  let fd: number | undefined
  try {
    fd = openSync(`/proc/${pid}/ns/pid`, 'r')
  } catch {
    return undefined
  }
  const { ino } = fstatSync(fd)
  if (ino === statSync('/proc/self/ns/pid').ino) {
    // No sandbox's: its number was given to another process meanwhile, and to sweep here would end the host.
    closeSync(fd)
    return undefined
  }
  return {
    pids: (maxAgeMs = 0) => (fd === undefined ? [] : pidsByNamespace(maxAgeMs).get(`pid:[${ino}]`)) ?? [],
    close() {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    },
  }
}

let seen: { at: number; namespaces: Map<string, number[]> } | undefined

/** One look serves every sandbox: looking costs 5 µs for each process of the host, twenty sandboxes ask ten times a second. */
function pidsByNamespace(maxAgeMs: number): Map<string, number[]> {
  if (seen === undefined || performance.now() - seen.at > maxAgeMs) {
    const namespaces = Map.groupBy(allPids(), (pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/pid`)
      } catch {
        return ''
      }
    })
    seen = { at: performance.now(), namespaces }
  }
  return seen.namespaces
}
