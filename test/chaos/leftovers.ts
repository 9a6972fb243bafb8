/**
 * What nobody may leave on a host: processes, records of sandboxes, their control groups, sockets, folders. Sandboxes that were
 * started ahead wait while their manager lives: those are no leftovers, and all that is not exactly theirs is one.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type SandboxRecord, sandboxRecords } from '../kill/sandbox-records.ts'
import type { Installation } from './installation.ts'

/** What is found on the host of an installation at one instant. Paths are full ones. */
export interface Seen {
  managers: { workspaceRoot: string; pid: number; startTime: string }[]
  records: SandboxRecord[]
  /** Folders of relays' sockets. */
  sockets: string[]
  /** Folders of sandboxes that were started ahead. */
  folders: string[]
  /** Inside of sandboxes: what they have mounted of the installation's folders. */
  processes: { pid: number; command: string; mounts: string[] }[]
}

/** Records of sandboxes of this installation. */
export const recordsOf = ({ root, managers, workspaceRoot }: Installation): Promise<SandboxRecord[]> =>
  sandboxRecords(
    root,
    managers.map(({ name }) => workspaceRoot(name)),
  )

export const isAhead = ({ id }: SandboxRecord): boolean => id.startsWith('ahead-')

/** One that was started ahead and is nobody's yet: it has its own folder still. */
export const isUnbound = (record: SandboxRecord): boolean => isAhead(record) && /\/pool\/[^/]+$/.test(record.workspace)

/** @param pool how many sandboxes each manager may have waiting */
export const leftBy = (seen: Seen, pool: number): string[] => {
  const waiting = seen.managers.flatMap(({ workspaceRoot, pid, startTime }) =>
    seen.records
      .filter(
        (record) =>
          isUnbound(record) &&
          record.workspace.startsWith(`${workspaceRoot}/pool/`) &&
          record.manager.pid === pid &&
          record.manager.startTime === startTime,
      )
      .slice(0, pool),
  )
  const theirs = new Set(waiting.map(({ workspace }) => workspace))
  const inThem = seen.processes.filter(({ mounts }) => mounts.some((path) => theirs.has(path)))
  const mounted = new Set(inThem.flatMap(({ mounts }) => mounts))
  return [
    ...seen.records
      .filter((record) => !waiting.includes(record))
      .map(({ id, workspace }) => `a sandbox is left: ${id} in ${workspace}`),
    ...seen.sockets.filter((path) => !mounted.has(path)).map((path) => `a socket’s folder is left: ${path}`),
    ...seen.folders.filter((path) => !theirs.has(path)).map((path) => `a sandbox’s folder is left: ${path}`),
    ...seen.processes
      .filter((process) => !inThem.includes(process))
      .map(({ pid, command, mounts }) => `a process is left: ${pid} ${command.slice(0, 120)} (${mounts.join(', ')})`),
  ]
}

const look = async (installation: Installation): Promise<Seen> => {
  const { root, managers, workspaceRoot } = installation
  const below = async (folder: string): Promise<string[]> => {
    const all = await Promise.all(
      managers.map(async ({ name }) => {
        const path = join(workspaceRoot(name), folder)
        return (await readdir(path).catch((): string[] => [])).map((each) => join(path, each))
      }),
    )
    return all.flat()
  }
  return {
    managers: await Promise.all(
      managers.map(async (one) => ({
        ...{ workspaceRoot: workspaceRoot(one.name), pid: one.pid() },
        startTime: await startTimeOf(one.pid()),
      })),
    ),
    records: await recordsOf(installation),
    ...{ sockets: await below('relay'), folders: await below('pool'), processes: await processesInSandboxes(root) },
  }
}

/** As drivers write it down: by its number alone a process could be taken for a later one. */
const startTimeOf = async (pid: number): Promise<string> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/** By what they have mounted: a command line tells nobody whose sandbox it is in, and a record may be gone before its processes. */
const processesInSandboxes = async (root: string): Promise<Seen['processes']> => {
  const own = await readlink('/proc/self/ns/mnt')
  const found: Seen['processes'] = []
  for (const pid of await processIds()) {
    if ((await readlink(`/proc/${pid}/ns/mnt`).catch(() => own)) === own) continue
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''))
      .split('\n')
      .flatMap((line) => line.split(' ')[3] ?? [])
      .filter((path) => path.startsWith(`${root}/`))
    if (mounts.length > 0) found.push({ pid, command: await commandOf(pid), mounts })
  }
  return found
}

const processIds = async (): Promise<number[]> =>
  (await readdir('/proc')).flatMap((name) => (/^\d+$/.test(name) && Number(name) !== process.pid ? Number(name) : []))

const commandOf = async (pid: number): Promise<string> =>
  (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')

const processesNaming = async (text: string): Promise<string[]> => {
  const all = await Promise.all((await processIds()).map(async (pid) => ({ pid, command: await commandOf(pid) })))
  return all
    .filter(({ command }) => command.includes(text))
    .map(({ pid, command }) => `${pid} ${command.slice(0, 120)}`)
}

/** While the managers live and nothing is at work. Reaping takes a moment, and so does starting a sandbox ahead. */
export const auditIdle = async (installation: Installation): Promise<string[]> => {
  let left: string[] = []
  for (let tries = 0; tries < 75; tries += 1) {
    left = leftBy(await look(installation), installation.pool)
    if (left.length === 0) return []
    await delay(200)
  }
  return left
}

export interface SandboxWatch {
  /** Control groups of sandboxes that were seen while they lived. */
  left(): string[]
  /** Sandboxes that were seen started ahead, and those of them that came to a session. */
  ahead(): { seen: number; bound: number }
  stop(): void
}

export const watchSandboxes = (installation: Installation): SandboxWatch => {
  const groups = new Set<string>()
  const [ahead, bound] = [new Set<string>(), new Set<string>()]
  const timer = setInterval(async () => {
    for (const record of await recordsOf(installation).catch(() => [])) {
      for (const dir of record.cgroups) groups.add(dir)
      if (isAhead(record)) ahead.add(record.id)
      if (isAhead(record) && !isUnbound(record)) bound.add(record.id)
    }
  }, 250)
  return {
    left: () => [...groups].filter((dir) => existsSync(dir)).map((dir) => `a control group is left: ${dir}`),
    ahead: () => ({ seen: ahead.size, bound: bound.size }),
    stop: () => clearInterval(timer),
  }
}

/** After everything has ended: now nobody waits for anything. */
export const auditEnded = async (installation: Installation): Promise<string[]> => [
  ...leftBy(await look(installation), 0),
  ...(await readdir(join(installation.root, 'tmp'))).map((name) => `a temporary folder is left: ${name}`),
  ...(await processesNaming(installation.root)).map((one) => `a process is left: ${one}`),
]
