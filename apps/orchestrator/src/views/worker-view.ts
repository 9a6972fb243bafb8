import type { WorkerView } from '@tutti/contracts'
import type { ListedWorker, WorkerRecord } from '@tutti/engine'
import type { WriteInstant } from './instant.ts'

/** A worker as clients see it: all that it told of itself, and what the engine knows of it. */
export const workerView = (worker: WorkerRecord & Partial<ListedWorker>, instant: WriteInstant): WorkerView => ({
  ...worker.info,
  worker_id: worker.id,
  worker_type: typeof worker.info.worker_type === 'string' ? worker.info.worker_type : 'generic',
  status: typeof worker.info.status === 'string' ? worker.info.status : 'idle',
  supported_skills: worker.skills,
  registered_at: instant(worker.registeredAt),
  last_seen_at: instant(worker.lastSeenAt),
  ...(worker.drained === undefined ? {} : { drained: worker.drained }),
  ...(worker.reputation === undefined ? {} : { reputation: worker.reputation }),
})
