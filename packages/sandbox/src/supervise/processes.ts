import { readdirSync, readFileSync } from 'node:fs'

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessRef {
  pid: number
  /** Clock ticks since boot, as the kernel writes it. */
  startTime: string
}

export interface ProcessStat extends ProcessRef {
  parent: number
  session: number
  /** A zombie holds nothing and runs nothing; it only waits for its parent. */
  zombie: boolean
  /** By a signal, or by who traces it. */
  stopped: boolean
  /** In the kernel, where no signal is taken: at a disk, or in vfork until the child has become its program. */
  uninterruptible: boolean
  threads: number
  /** Its own and its reaped children's. */
  cpuTicks: number
}

/** Everything here reads /proc synchronously: a read takes about 10 µs, a trip through the thread pool far more. */
export function readProcess(pid: number): ProcessStat | undefined {
  const text = readProc(`${pid}/stat`)
  if (text === undefined) return undefined
  // The command's name stands in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const number = (index: number) => Number(fields[index] ?? 0)
  return {
    pid,
    parent: number(1),
    session: number(3),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    stopped: fields[0] === 'T' || fields[0] === 't',
    uninterruptible: fields[0] === 'D',
    threads: number(17),
    cpuTicks: number(11) + number(12) + number(13) + number(14),
    startTime: fields[19] ?? '',
  }
}

export function processRef(pid: number): ProcessRef | undefined {
  const found = readProcess(pid)
  return found && { pid, startTime: found.startTime }
}

export function isAlive(ref: ProcessRef): boolean {
  const found = readProcess(ref.pid)
  return found !== undefined && found.startTime === ref.startTime && !found.zombie
}

export function allPids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** Pids whose real user is `uid`. Asks /proc/…/status: a process can hide behind another owner of its /proc folder. */
export function pidsOfUser(uid: number): number[] {
  return allPids().filter((pid) => Number(/^Uid:\s+(\d+)/m.exec(readProc(`${pid}/status`) ?? '')?.[1] ?? -1) === uid)
}

/** `root`, its session, and all their descendants. A daemon that left both behind before a look is not found. */
export function pidsOfTree(root: number): number[] {
  const all = allPids().flatMap((pid) => readProcess(pid) ?? [])
  const found = new Set([root, ...all.filter((one) => one.session === root).map((one) => one.pid)])
  for (let grew = true; grew; ) {
    const before = found.size
    for (const one of all) if (found.has(one.parent)) found.add(one.pid)
    grew = found.size > before
  }
  return [...found]
}

export function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return undefined
  }
}
