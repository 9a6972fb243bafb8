import { execFile } from 'node:child_process'
import { readdirSync, readlinkSync, statSync } from 'node:fs'

/**
 * Bytes a directory takes on its disk. `du` and not our own walk: it holds on in trees deeper than the longest path
 * (where a program could otherwise hide anything), follows no symlink, and takes none of this process's CPU.
 */
export function directoryBytes(path: string): Promise<number> {
  return du('--block-size=1', path)
}

/** Files and directories in a directory, itself included. */
export function directoryFiles(path: string): Promise<number> {
  return du('--inodes', path)
}

function du(what: string, path: string): Promise<number> {
  return new Promise((resolve) => {
    // It ends with an error when files vanish under it, and still prints the total.
    execFile('du', ['-sx', what, '--', path], (_error, stdout) => {
      resolve(Number(/^(\d+)/.exec(stdout)?.[1] ?? 0))
    })
  })
}

/**
 * What open but deleted files take, which no directory shows: `disk` on the workspace's file system, `memory` in
 * files that never had a name (memfd).
 */
export function deletedBytes(pids: readonly number[], workspace: string): { disk: number; memory: number } {
  const total = { disk: 0, memory: 0 }
  const device = deviceOf(workspace)
  const seen = new Set<string>()
  for (const pid of pids) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      try {
        const path = `/proc/${pid}/fd/${fd}`
        const target = readlinkSync(path)
        if (!target.endsWith(' (deleted)')) continue
        const file = statSync(path)
        const key = `${file.dev}:${file.ino}`
        if (!file.isFile() || seen.has(key)) continue
        seen.add(key)
        if (target.startsWith('/memfd:')) total.memory += file.blocks * 512
        else if (file.dev === device) total.disk += file.blocks * 512
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return total
}

function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev
  } catch {
    return undefined
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
