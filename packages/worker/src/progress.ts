import type { ProgressEvent } from '@tutti/contracts'
import type { Clock } from './clock.ts'

export interface Progress {
  report(fraction: number, message?: string): void
}

export interface ProgressOptions {
  taskId: string
  jobId: string
  send: (event: ProgressEvent) => Promise<void>
  clock: Clock
  intervalMs: number
  /** Aborted when the task has ended: what it said last is then told by its result. */
  ended: AbortSignal
}

/** One update on the way at a time, then a pause; of what is reported meanwhile only the newest is sent. */
export const createProgress = ({ taskId, jobId, send, clock, intervalMs, ended }: ProgressOptions): Progress => {
  let newest: ProgressEvent | undefined
  let sending = false

  const pump = async () => {
    sending = true
    while (newest !== undefined && !ended.aborted) {
      const event = newest
      newest = undefined
      // A lost update is worth nothing: the next one or the result makes up for it.
      await send(event).catch(() => {})
      await clock.sleep(intervalMs, ended)
    }
    sending = false
  }

  return {
    report: (fraction, message) => {
      if (ended.aborted || !Number.isFinite(fraction)) return
      newest = {
        event: 'progress_update',
        task_id: taskId,
        job_id: jobId,
        progress: Math.min(1, Math.max(0, fraction)),
        ...(message === undefined ? {} : { message: message.slice(0, 1000) }),
      }
      if (!sending) void pump()
    },
  }
}
