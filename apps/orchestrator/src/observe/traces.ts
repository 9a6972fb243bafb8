/** Spans of what was committed: one for each job when it ends, one for each try of a task. */
import { isTerminal, type JsonObject } from '@tutti/contracts'
import type { Change } from '@tutti/engine'
import type { Tracing } from '@tutti/telemetry'

/** @returns what is to be called for each change that was committed */
export const observeTraces =
  (tracing: Tracing): ((change: Change) => void) =>
  ({ job, events }) => {
    const about = { 'tutti.job.id': job.id, 'tutti.blueprint': job.blueprint, 'tutti.client': job.client }
    for (const { type, data, at, state } of events) {
      if (type !== 'task_finished' && type !== 'task_failed' && type !== 'task_lost') continue
      const worked = typeof data.duration_ms === 'number' ? data.duration_ms : 0
      tracing.record({
        name: `task ${data.skill}`,
        kind: 'consumer',
        parent: job.trace,
        startedAt: at - worked,
        endedAt: at,
        attributes: {
          ...about,
          'tutti.state': state,
          ...textOf(data, 'task_id', 'tutti.task.id'),
          ...textOf(data, 'worker_id', 'tutti.worker.id'),
          ...(typeof data.attempt === 'number' ? { 'tutti.attempt': data.attempt } : {}),
        },
        error: type === 'task_finished' ? null : messageOf(data),
      })
    }
    if (!isTerminal(job.status) || job.finishedAt === null) return
    tracing.record({
      name: `job ${job.blueprint}`,
      kind: 'internal',
      parent: job.trace,
      startedAt: job.createdAt,
      endedAt: job.finishedAt,
      attributes: { ...about, 'tutti.status': job.status, 'tutti.version': job.version },
      error: job.error?.message ?? null,
    })
  }

const textOf = (data: JsonObject, from: string, to: string): Record<string, string> => {
  const value = data[from]
  return typeof value === 'string' ? { [to]: value } : {}
}

const messageOf = ({ error, reason }: JsonObject): string => {
  if (error !== null && typeof error === 'object' && !Array.isArray(error) && typeof error?.message === 'string')
    return error.message
  return typeof reason === 'string' ? reason : 'failed'
}
