import { agentSkillOf, type ScheduleMode, TuttiError } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'

interface Announcement {
  worker_id: string
  boot_id: string
  capacity: number
  schedule_modes: ScheduleMode[]
}

/**
 * Lists the manager among the engine's workers, and answers the skills under which it takes runs now. A boot id that the engine does not know ends the leases of the manager's
 * former process at once, so that its runs don't wait for their leases' end.
 */
export const announce = async (
  { engine }: WorkbenchDeps,
  { worker_id, boot_id, capacity, schedule_modes }: Announcement,
): Promise<string[]> => {
  // Sorted and without doubles: the order in which somebody wrote the rules is no change of what the manager takes.
  const skills = [...new Set(schedule_modes)].sort().map(agentSkillOf)
  const known = await engine.worker(worker_id)
  const info = { worker_type: 'executor-manager', capacity }
  const same = known?.bootId === boot_id && known.skills.join() === skills.join() && known.info.capacity === capacity
  if (same) await signOfLife(engine, worker_id)
  else
    await engine.register({
      id: worker_id,
      bootId: boot_id,
      skills,
      info,
    })
  return skills
}

/** Keeps the manager listed; names no task, so that leases keep the length that claim and renew give them. */
export const signOfLife = async (engine: WorkbenchDeps['engine'], workerId: string): Promise<void> => {
  try {
    await engine.heartbeat(workerId, {}, [])
  } catch (error) {
    // No longer listed: the next claim registers it again.
    if (!(error instanceof TuttiError && error.code === 'WORKER_NOT_FOUND')) throw error
  }
}
