import { isWatched, type Records, type SandboxRecord, thisBoot } from '../host/records.ts'
import type { Users } from '../host/users.ts'
import type { SandboxLog } from '../port.ts'
import { extinguish } from '../supervise/extinguish.ts'
import { isAlive, pidsOfUser } from '../supervise/processes.ts'
import { membersOf, removeCgroups } from './cgroup.ts'

/** Ends what processes that are gone left behind, and forgets it. Sandboxes of live processes are not touched. */
export async function reapSandboxes(records: Records, users: Users | undefined, log: SandboxLog): Promise<string[]> {
  const reaped: string[] = []
  const kept = new Set<number>()
  for (const record of records.all()) {
    if (isWatched(record)) continue
    if (await endSandbox(record)) {
      await removeCgroups(record.cgroups)
      records.remove(record.id)
      reaped.push(record.id)
      log('info', 'reaped a sandbox of a former process', { id: record.id })
    } else {
      if (record.uid !== undefined) kept.add(record.uid)
      log('error', 'a process of a former sandbox does not die', { id: record.id })
    }
  }
  users?.sweep(kept)
  return reaped
}

function endSandbox(record: SandboxRecord): Promise<boolean> {
  // After a reboot its processes are gone and their numbers belong to others.
  if (record.boot !== thisBoot()) return Promise.resolve(true)
  const known = [record.init, record.outer].filter((ref) => ref !== undefined)
  const members = () => [
    ...known.filter(isAlive).map((ref) => ref.pid),
    ...membersOf(record.cgroups),
    ...(record.uid === undefined ? [] : pidsOfUser(record.uid)),
  ]
  return extinguish(members, record.init?.pid)
}
