import type { WorkerView } from '@tutti/contracts'
import type { ListedWorker } from '@tutti/engine'
import type { WriteInstant } from './instant.ts'

/** A worker as clients see it: all that it told of itself, and what the engine knows of it. */
export const workerView = (worker: ListedWorker, instant: WriteInstant): WorkerView => ({
  ...worker.info,
  worker_id: worker.id,
  worker_type: typeof worker.info.worker_type === 'string' ? worker.info.worker_type : 'generic',
  status: typeof worker.info.status === 'string' ? worker.info.status : 'idle',
  supported_skills: worker.skills,
  // What it may say of these itself does not count.
  drained: worker.drained,
  reputation: worker.reputation,
  registered_at: instant(worker.registeredAt),
  last_seen_at: instant(worker.lastSeenAt),
})
