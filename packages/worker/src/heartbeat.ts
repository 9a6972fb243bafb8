/** Says "alive" and what is held, which renews those leases, and learns what is no longer ours. */
import type { Backoff, Heartbeat, HeartbeatAnswer } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import { createWakeup } from './wakeup.ts'
import { WireError } from './wire.ts'

export interface HeartbeatOptions {
  send: (body: Heartbeat, signal: AbortSignal) => Promise<HeartbeatAnswer>
  status: () => NonNullable<Heartbeat['status']>
  load: () => number
  /** What else there is to tell. */
  more: () => Partial<Heartbeat>
  /** Task id → lease token. */
  held: () => Map<string, string>
  onLost: (taskId: string, leaseToken: string) => void
  signal: AbortSignal
}

/** One heartbeat. */
export const beat = async ({ send, status, load, more, held, onLost, signal }: HeartbeatOptions): Promise<void> => {
  const sent = held()
  const answer = await send({ status: status(), load: load(), current_tasks: [...sent.keys()], ...more() }, signal)
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
  news: News
  /** News often come in groups: so long after the first. */
  debounceMs: number
  onTrouble: (error: unknown) => Promise<void>
}

/** Something to tell before the next regular time. What is told while a heartbeat is on its way is told with another one. */
export interface News {
  tell(): void
  /** How often there was something. */
  count(): number
  next(signal: AbortSignal): Promise<void>
}

export const createNews = (): News => {
  const wakeup = createWakeup()
  let count = 0
  return {
    tell: () => {
      count += 1
      wakeup.wake()
    },
    count: () => count,
    next: wakeup.wait,
  }
}

export const keepBeating = async (options: KeepBeatingOptions): Promise<void> => {
  const { intervalMs, clock, backoff, log, news, debounceMs, onTrouble, signal } = options
  let delayMs = intervalMs()
  let told = 0
  while (!signal.aborted) {
    await pause(clock, delayMs, debounceMs, news, told, signal)
    if (signal.aborted) return
    told = news.count()
    try {
      await beat(options)
      backoff.reset()
      delayMs = intervalMs()
    } catch (error) {
      if (signal.aborted) return
      log.warn({ error: errorMessage(error) }, 'heartbeat failed')
      await onTrouble(error)
      // Sooner than the next regular one, because leases are running out; never later than it.
      // But no sooner than it was told to.
      const toldMs = (error instanceof WireError ? error.retryAfterMs : undefined) ?? 0
      delayMs = Math.max(toldMs, Math.min(intervalMs(), backoff.next()))
    }
  }
}

/** Until the time has come, or shortly after there is news. */
const pause = async (
  clock: Clock,
  ms: number,
  debounceMs: number,
  news: News,
  told: number,
  signal: AbortSignal,
): Promise<void> => {
  if (news.count() !== told) return clock.sleep(Math.min(ms, debounceMs), signal)
  const over = new AbortController()
  const ended = AbortSignal.any([signal, over.signal])
  await Promise.race([
    clock.sleep(ms, ended),
    news.next(ended).then(() => clock.sleep(Math.min(ms, debounceMs), ended)),
  ])
  over.abort()
}
