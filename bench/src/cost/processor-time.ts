/** Processor time of other processes, from /proc (Linux): steadier than rates on a machine that does other things too. */
import { readdir, readFile } from 'node:fs/promises'

/** The process and all below it, as they are now. */
export const descendantsOf = async (pid: number): Promise<number[]> => {
  const parents = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    parents.set(parent, [...(parents.get(parent) ?? []), Number(name)])
  }
  const below = (of: number): number[] => [of, ...(parents.get(of) ?? []).flatMap(below)]
  return below(pid)
}

/** The process whose command line holds the text. @throws when there is none */
export const processNamed = async (text: string): Promise<number> => {
  for (const name of await readdir('/proc'))
    if (/^\d+$/.test(name) && Number(name) !== process.pid)
      if ((await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).includes(text)) return Number(name)
  throw new Error(`no process runs with ${text}`)
}

/** By process, in µs, of all threads. `schedstat` counts nanoseconds, where `stat` counts hundredths of a second. */
export const cpuMicros = async (pids: number[]): Promise<Map<number, number>> => {
  const micros = new Map<number, number>()
  for (const pid of pids) {
    let nanos = 0
    for (const thread of await readdir(`/proc/${pid}/task`).catch(() => []))
      nanos += Number((await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')).split(' ')[0])
    micros.set(pid, nanos / 1000)
  }
  return micros
}

/** What was used between two readings; a process that has gone meanwhile took its account with it. */
export const spent = (before: Map<number, number>, after: Map<number, number>): number =>
  [...after].reduce((sum, [pid, micros]) => sum + Math.max(0, micros - (before.get(pid) ?? 0)), 0)
