/** Asks for tasks whenever there are free slots: one long poll at a time. */
import type { Backoff, TaskPayload } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import type { Slots } from './slots.ts'
import type { Turn } from './turns.ts'
import type { Wakeup } from './wakeup.ts'
import { WireError } from './wire.ts'

export interface PollOptions {
  poll: (max: number, signal: AbortSignal) => Promise<TaskPayload[]>
  slots: Slots
  freed: Wakeup
  /** Where others poll for the same slots. */
  turn?: Turn | undefined
  clock: Clock
  backoff: Backoff
  idleBackoff: Backoff
  log: WorkerLog
  /** Tasks asked for at a time. */
  most: number
  onTasks: (tasks: TaskPayload[], reserved: number) => void
  onTrouble: (error: unknown) => Promise<void>
  signal: AbortSignal
}

/** An empty answer that comes sooner didn't wait at all: something between here and the queue refuses to hold a poll. */
const heldMs = 1_000

export const pollForTasks = async (options: PollOptions): Promise<void> => {
  const { poll, slots, freed, turn, most, clock, backoff, idleBackoff, log, onTasks, onTrouble, signal } = options
  while (!signal.aborted) {
    const endTurn = await turn?.take(signal)
    if (signal.aborted) {
      endTurn?.(false)
      return
    }
    const reserved = slots.reserve(most)
    if (reserved === 0) {
      endTurn?.(true)
      await freed.wait(signal)
      continue
    }
    const askedMs = clock.now()
    const tasks = await poll(reserved, signal).catch((error: unknown) => ({ error }))
    if (!('error' in tasks)) {
      onTasks(tasks, reserved)
      endTurn?.(tasks.length > 0)
      backoff.reset()
      if (tasks.length > 0 || clock.now() - askedMs >= heldMs) idleBackoff.reset()
      else await clock.sleep(idleBackoff.next(), signal)
      continue
    }
    slots.settle(reserved, 0)
    endTurn?.(false)
    if (signal.aborted) return
    log.warn({ error: errorMessage(tasks.error) }, 'poll failed')
    await onTrouble(tasks.error)
    await clock.sleep(backoff.next(tasks.error instanceof WireError ? tasks.error.retryAfterMs : undefined), signal)
  }
}
