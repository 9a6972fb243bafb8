/** Finding and killing real processes. Only descendants of a process that the test started are ever touched. */
import { readdir, readFile } from 'node:fs/promises'

interface Process {
  pid: number
  parent: number
  command: string
}

const list = async (): Promise<Process[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        const [stat, command] = await Promise.all([
          readFile(`/proc/${pid}/stat`, 'utf8'),
          readFile(`/proc/${pid}/cmdline`, 'utf8'),
        ])
        // The name stands in parentheses and may hold anything; the parent is the second field after it.
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
        return [{ pid: Number(pid), parent, command: command.replaceAll('\0', ' ') }]
      } catch {
        return []
      }
    }),
  )
  return found.flat()
}

/** Descendants of `ancestor` whose command line contains `text`. */
export const descendants = async (ancestor: number, text: string): Promise<number[]> => {
  const all = await list()
  const family = new Set([ancestor])
  for (let grown = true; grown; ) {
    grown = false
    for (const { pid, parent } of all)
      if (family.has(parent) && !family.has(pid)) {
        family.add(pid)
        grown = true
      }
  }
  return all
    .filter(({ pid, command }) => pid !== ancestor && family.has(pid) && command.includes(text))
    .map(({ pid }) => pid)
}

/** Whether it was still there: of the processes of a sandbox the others go with the first one. */
export const killNow = (pid: number): boolean => {
  if (pid <= 1) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}
