/** News as scripts publish it: names written as everywhere in Redis, the instant as text. */
import type { Wakeup } from '@tutti/engine'
import { parseName } from './text.ts'

interface Message {
  queues?: Record<string, number>
  jobs?: string[]
  revoked?: { worker: string; taskId: string; jobId: string }[]
  records?: string[]
  workers?: string[]
  dueAt?: string
}

/** Anybody may publish on the channel; what can't be read counts as something missed. */
export const newsOf = (payload: string): Wakeup => {
  try {
    return wakeupOf(JSON.parse(payload) as Message)
  } catch {
    return { resync: true }
  }
}

const wakeupOf = ({ queues, jobs, revoked, records, workers, dueAt }: Message): Wakeup => ({
  ...(queues && {
    queues: Object.fromEntries(Object.entries(queues).map(([queue, count]) => [parseName(queue), count])),
  }),
  ...(jobs && { jobs: jobs.map(parseName) }),
  ...(revoked && {
    revoked: revoked.map(({ worker, taskId, jobId }) => ({
      worker: parseName(worker),
      taskId: parseName(taskId),
      jobId: parseName(jobId),
    })),
  }),
  ...(records && { records: records.map(parseName) }),
  ...(workers && { workers: workers.map(parseName) }),
  ...(dueAt !== undefined && { dueAt: Number(dueAt) }),
})
