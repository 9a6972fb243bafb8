/** Says "alive" and what is held, which renews those leases, and learns what is no longer ours. */
import type { Backoff, Heartbeat, HeartbeatAnswer } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { errorMessage, type WorkerLog } from './log.ts'

export interface HeartbeatOptions {
  send: (body: Heartbeat, signal: AbortSignal) => Promise<HeartbeatAnswer>
  status: () => NonNullable<Heartbeat['status']>
  load: () => number
  /** Task id → lease token. */
  held: () => Map<string, string>
  onLost: (taskId: string, leaseToken: string) => void
  signal: AbortSignal
}

/** One heartbeat. */
export const beat = async ({ send, status, load, held, onLost, signal }: HeartbeatOptions): Promise<void> => {
  const sent = held()
  const answer = await send({ status: status(), load: load(), current_tasks: [...sent.keys()] }, signal)
  for (const taskId of answer.cancel_task_ids ?? []) {
    // By the token that was held when this was asked: since then the same task may have come to us again.
    const leaseToken = sent.get(taskId)
    if (leaseToken !== undefined) onLost(taskId, leaseToken)
  }
}

export interface KeepBeatingOptions extends HeartbeatOptions {
  intervalMs: () => number
  clock: Clock
  backoff: Backoff
  log: WorkerLog
  onTrouble: (error: unknown) => Promise<void>
}

export const keepBeating = async (options: KeepBeatingOptions): Promise<void> => {
  const { intervalMs, clock, backoff, log, onTrouble, signal } = options
  let delayMs = intervalMs()
  while (!signal.aborted) {
    await clock.sleep(delayMs, signal)
    if (signal.aborted) return
    try {
      await beat(options)
      backoff.reset()
      delayMs = intervalMs()
    } catch (error) {
      if (signal.aborted) return
      log.warn({ error: errorMessage(error) }, 'heartbeat failed')
      await onTrouble(error)
      // Sooner than the next regular one, because leases are running out; never later than it.
      delayMs = Math.min(intervalMs(), backoff.next())
    }
  }
}
