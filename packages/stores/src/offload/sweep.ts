/** Payloads that nobody will ask for any more: of jobs and records that are gone, or that never came to be. */
import type { Store } from '@tutti/engine'
import { inbox, type Owned, ofJob, ownerOf, root } from './owner.ts'
import type { Payloads } from './payloads.ts'

/**
 * Deletes payloads of unknown owners that were stored before the instant: younger ones may belong to a commit that is on
 * its way. Answers how many.
 */
export const sweep = async (store: Store, payloads: Payloads, storedBefore: number): Promise<number> => {
  let deleted = 0
  let cursor: string | null = null
  do {
    const page = await payloads.list(root, cursor)
    const old = page.objects.filter(({ modifiedAt }) => modifiedAt.getTime() < storedBefore)
    const known = await knownOwners(
      store,
      old.map(({ key }) => ownerOf(key)),
    )
    for (const { key } of old) {
      const owner = ownerOf(key)
      if (owner === null || known(owner)) continue
      await payloads.delete(key)
      deleted += 1
    }
    cursor = page.cursor
  } while (cursor !== null)
  return deleted
}

const knownOwners = async (store: Store, owners: (Owned | null)[]): Promise<(owner: Owned) => boolean> => {
  const ids = new Set(owners.flatMap((owner) => (owner && 'job' in owner ? [owner.job] : [])))
  const lives = new Set(
    (await store.job([...ids])).flatMap((job) => (job ? [`${job.id}/${job.createdAt}`, job.id] : [])),
  )
  const records = new Set<string>()
  const kinds = Map.groupBy(
    owners.filter((owner) => owner !== null && 'kind' in owner),
    ({ kind }) => kind,
  )
  for (const [kind, ofKind] of kinds)
    for (const record of await store.getRecords(kind, [...new Set(ofKind.map(({ id }) => id))]))
      if (record) records.add(`${record.kind}/${record.id}`)
  return (owner) => {
    if ('kind' in owner) return records.has(`${owner.kind}/${owner.id}`)
    return lives.has(owner.life === inbox ? owner.job : `${owner.job}/${owner.life}`)
  }
}

/** Deletes the payloads of a job that is gone, and not those of a new one of its id, which began at `notFrom` or later. */
export const deleteOfJob = async (payloads: Payloads, id: string, notFrom: number): Promise<void> => {
  let cursor: string | null = null
  do {
    const page = await payloads.list(ofJob(id), cursor)
    for (const { key } of page.objects) {
      const owner = ownerOf(key)
      const life = owner && 'job' in owner ? owner.life : null
      if (life === inbox || (life !== null && Number(life) < notFrom)) await payloads.delete(key)
    }
    cursor = page.cursor
  } while (cursor !== null)
}
