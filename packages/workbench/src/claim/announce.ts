import { AGENT_SKILL, TuttiError } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'

/**
 * Lists the manager among the engine's workers. A boot id that the engine does not know ends the leases of the manager's
 * former process at once, so that its runs don't wait for their leases' end.
 */
export const announce = async (
  { engine }: WorkbenchDeps,
  { worker_id, boot_id }: { worker_id: string; boot_id: string },
): Promise<void> => {
  const known = await engine.worker(worker_id)
  if (known?.bootId === boot_id) await signOfLife(engine, worker_id)
  else
    await engine.register({
      id: worker_id,
      bootId: boot_id,
      skills: [AGENT_SKILL],
      info: { worker_type: 'executor-manager' },
    })
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
