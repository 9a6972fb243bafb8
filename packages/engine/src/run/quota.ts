/** Budgets that jobs are taken from: drawn before they are made, given back for those that turn out to be made already. */
import { TuttiError } from '@tutti/contracts'
import type { JobSpec } from '../engine.ts'
import type { Store } from '../store/port.ts'

type Quota = NonNullable<JobSpec['quota']>

export type DrawQuota = Pick<Store, 'draw'>

/**
 * One for each spec that names a budget, all or nothing.
 * @throws TuttiError QUOTA_EXCEEDED, with the instant from which the budget is full again
 */
export const drawQuota = async ({ draw }: DrawQuota, specs: readonly Pick<JobSpec, 'quota'>[]): Promise<void> => {
  const wanted = byKey(specs)
  if (wanted.length === 0) return
  const drawn = await draw(wanted.map(({ quota, count }) => drawOf(quota, count)))
  const refused = wanted.findIndex(({ count }, at) => (drawn[at]?.granted ?? 0) < count)
  if (refused < 0) return
  const granted = wanted.filter((_, at) => (drawn[at]?.granted ?? 0) > 0)
  if (granted.length > 0) await draw(granted.map(({ quota, count }) => drawOf(quota, -count)))
  const { quota, count } = wanted[refused] as (typeof wanted)[number]
  const left = drawn[refused]?.left ?? 0
  const retryAt = drawn[refused]?.retryAt ?? (count <= quota.capacity ? quota.until : null)
  throw new TuttiError('QUOTA_EXCEEDED', `Quota exceeded: ${count} wanted, ${left} of ${quota.capacity} left`, {
    ...(retryAt === null ? {} : { retryAt }),
  })
}

export const giveBack = async ({ draw }: DrawQuota, spec: Pick<JobSpec, 'quota'>): Promise<void> => {
  if (spec.quota) await draw([drawOf(spec.quota, -1)])
}

const drawOf = ({ key, capacity, until }: Quota, want: number) => ({
  key,
  want,
  budget: { kind: 'window', capacity, until } as const,
})

const byKey = (specs: readonly Pick<JobSpec, 'quota'>[]): { quota: Quota; count: number }[] => {
  const counts = new Map<string, { quota: Quota; count: number }>()
  for (const { quota } of specs) {
    if (!quota) continue
    const known = counts.get(quota.key)
    if (known) known.count += 1
    else counts.set(quota.key, { quota, count: 1 })
  }
  return [...counts.values()]
}
