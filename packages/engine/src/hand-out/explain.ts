/** Why a task is waiting, in words. */
import { TuttiError } from '@tutti/contracts'
import type { QueueExplanation } from '../engine.ts'
import type { Directory } from '../workers/directory.ts'
import type { KnownQueues } from './known-queues.ts'
import type { Matching } from './matching.ts'
import type { Permits } from './permits.ts'

export interface ExplainDeps {
  queues: Pick<KnownQueues, 'get' | 'read'>
  directory: Pick<Directory, 'refresh' | 'all'>
  matching: Pick<Matching, 'whyNot'>
  permits: Pick<Permits, 'limits'>
}

export const explain = async (
  { queues, directory, matching, permits }: ExplainDeps,
  name: string,
): Promise<QueueExplanation> => {
  const queue = queues.get(name) ?? queues.read(name)
  if (!queue) throw new TuttiError('INVALID_QUERY', 'This is not the name of a queue', { path: 'queue' })
  await directory.refresh()
  const workers = directory
    .all()
    .map((worker) => ({ id: worker.id, why: matching.whyNot(queue, worker) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    queue: { skill: queue.skill, needs: queue.needs, strategy: queue.strategy },
    possible: workers.some((worker) => worker.why === null),
    rateLimited: permits.limits(queue.skill),
    workers,
  }
}
