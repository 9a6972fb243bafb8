/** Jobs that a client may create in a calendar month, in the time zone of the installation. */
import type { Client } from '@tutti/config'
import type { JobSpec } from '@tutti/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientOf } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { monthEnd } from './month.ts'

/** The budget that the client's jobs are drawn from; null when it has none. */
export const quotaOf = (
  { id, monthlyAttempts }: Client,
  { store, settings }: Pick<RouteDeps, 'store' | 'settings'>,
): NonNullable<JobSpec['quota']> | null =>
  monthlyAttempts === null
    ? null
    : { key: `quota:${id}`, capacity: monthlyAttempts, until: monthEnd(store.now(), settings.timeZone) }

/** What is left, as headers of the answer that took from it. A client without a quota pays nothing for this. */
export const tellQuota = async (
  deps: Pick<RouteDeps, 'store' | 'settings'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> => {
  const quota = quotaOf(clientOf(request), deps)
  if (!quota) return
  const { key, capacity, until } = quota
  const [drawn] = await deps.store.draw([{ key, want: 0, budget: { kind: 'window', capacity, until } }])
  reply.header('x-quota-limit', capacity)
  reply.header('x-quota-remaining', Math.max(drawn?.left ?? 0, 0))
  reply.header('x-quota-reset', Math.ceil(until / 1000))
}
