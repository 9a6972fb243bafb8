/** What nobody may leave on a host: processes, records of sandboxes, their control groups, sockets, temporary folders. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type SandboxRecord, sandboxRecords } from '../kill/sandbox-records.ts'
import type { Installation } from './installation.ts'

/** Records of sandboxes of this installation. */
export const recordsOf = ({ root, managers, workspaceRoot }: Installation): Promise<SandboxRecord[]> =>
  sandboxRecords(
    root,
    managers.map(({ name }) => workspaceRoot(name)),
  )

const processesOf = async (text: string): Promise<string[]> => {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (command.includes(text)) found.push(`${pid} ${command.replaceAll('\0', ' ').slice(0, 120)}`)
  }
  return found
}

/** While the managers live and nothing is at work. Reaping takes a moment. */
export const auditIdle = async (installation: Installation): Promise<string[]> => {
  let left: string[] = []
  for (let tries = 0; tries < 50; tries += 1) {
    const records = await recordsOf(installation)
    const sockets = await Promise.all(
      installation.managers.map(({ name }) =>
        readdir(join(installation.workspaceRoot(name), 'relay')).catch((): string[] => []),
      ),
    )
    left = [
      ...records.map(({ id }) => `a sandbox is left: ${id}`),
      ...sockets.flat().map((name) => `a socket’s folder is left: ${name}`),
      ...(await processesOf(`${installation.root}/manager-`)).map((one) => `a process is left: ${one}`),
    ]
    if (left.length === 0) return []
    await delay(200)
  }
  return left
}

/** The control groups are those of sandboxes that were seen while they lived. */
export const watchCgroups = (installation: Installation): { left(): string[]; stop(): void } => {
  const seen = new Set<string>()
  const timer = setInterval(async () => {
    for (const { cgroups } of await recordsOf(installation).catch(() => [])) for (const dir of cgroups) seen.add(dir)
  }, 500)
  return {
    left: () => [...seen].filter((dir) => existsSync(dir)).map((dir) => `a control group is left: ${dir}`),
    stop: () => clearInterval(timer),
  }
}

/** After everything has ended. */
export const auditEnded = async (installation: Installation): Promise<string[]> => [
  ...(await readdir(join(installation.root, 'tmp'))).map((name) => `a temporary folder is left: ${name}`),
  ...(await processesOf(installation.root)).map((one) => `a process is left: ${one}`),
]
