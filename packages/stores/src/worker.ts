import { isDeepStrictEqual } from 'node:util'
import type { WorkerRecord, WorkerTouch } from '@tutti/engine'

/** A worker's record after a sign of life, and whether that told anything new. A late one never shortens the listing. */
export const touched = (former: WorkerRecord, touch: WorkerTouch): { record: WorkerRecord; changed: boolean } => {
  const record: WorkerRecord = {
    ...former,
    skills: touch.skills ?? former.skills,
    info: { ...former.info, ...touch.info },
    lastSeenAt: Math.max(former.lastSeenAt, touch.lastSeenAt),
    expiresAt: Math.max(former.expiresAt, touch.expiresAt),
  }
  const changed = !isDeepStrictEqual([record.skills, record.info], [former.skills, former.info])
  return { record, changed }
}
