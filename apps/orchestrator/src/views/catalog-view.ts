import type { JsonObject, skillCatalog } from '@tutti/contracts'
import { capabilitiesOf, type ListedWorker, type WorkerRecord } from '@tutti/engine'
import type { z } from 'zod'

type Catalog = z.output<typeof skillCatalog>

/** Skills of all workers. Where they describe a skill differently, the first one's words are shown. */
export const catalogOf = (workers: readonly ListedWorker[]): Catalog => {
  const catalog: Catalog = {}
  for (const worker of workers) {
    const { offers } = capabilitiesOf(worker)
    const type = typeof worker.info.worker_type === 'string' ? worker.info.worker_type : 'generic'
    for (const skill of worker.skills) {
      const price = offers[skill]?.price ?? null
      const known = Object.hasOwn(catalog, skill) ? catalog[skill] : undefined
      const count = known?.providers_count ?? 0
      catalog[skill] = {
        providers_count: count + 1,
        worker_types: [...new Set([...(known?.worker_types ?? []), type])],
        base_price: price === null ? (known?.base_price ?? null) : Math.min(price, known?.base_price ?? price),
        average_reputation: ((known?.average_reputation ?? 0) * count + worker.reputation) / (count + 1),
        contract: known?.contract ?? contractOf(worker, skill),
      }
    }
  }
  return catalog
}

/** The skill as the worker declared it, where it said more than a name. */
const contractOf = ({ info }: WorkerRecord, skill: string): JsonObject | null => {
  const declared = Array.isArray(info.supported_skills) ? info.supported_skills : []
  const found = declared.find(
    (each): each is JsonObject =>
      each !== null && typeof each === 'object' && !Array.isArray(each) && each.name === skill,
  )
  return found ?? null
}
