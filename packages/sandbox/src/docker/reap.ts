import { isWatched } from '../host/records.ts'
import { LABEL } from './container.ts'
import { engineFault } from './engine.ts'
import { type Parts, removeContainer } from './start.ts'

/**
 * Ends containers whose manager is gone, and forgets them. Both sides are looked at: a record without a container was
 * left by a start that never came to it, a container without a record by an end that did not finish.
 */
export async function reapContainers({ engine, owner, records, users, log }: Parts): Promise<string[]> {
  try {
    const docker = await engine()
    // The records first: a container made between the two looks has one.
    const watched = new Set(records.all().flatMap((record) => (isWatched(record) ? [record.id] : [])))
    const filters = { label: [`${LABEL.owner}=${owner}`] }
    const containers = await docker.listContainers({ all: true, filters })
    const reaped = new Set<string>()
    const recorded = new Map(records.all().map((record) => [record.id, record]))
    for (const { Id, Labels } of containers) {
      const id = Labels[LABEL.id] ?? ''
      const record = recorded.get(id)
      if (watched.has(id) || (record && isWatched(record))) continue
      await removeContainer(docker.getContainer(Id))
      reaped.add(id)
    }
    for (const record of recorded.values()) {
      if (isWatched(record)) continue
      records.remove(record.id)
      reaped.add(record.id)
    }
    users?.sweep(new Set())
    for (const id of reaped) log('info', 'reaped a sandbox of a former process', { id })
    return [...reaped]
  } catch (error) {
    throw engineFault(error, 'sandboxes of former processes cannot be looked for')
  }
}
