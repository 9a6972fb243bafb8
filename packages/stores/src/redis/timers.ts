/** What is due, and when the next thing is. */
import type { BlueprintVersion, LostLease, Timer } from '@tutti/engine'
import { kindsOf } from './jobs.ts'
import type { Run } from './scripts.ts'
import { nameText, parseName, parseNumber } from './text.ts'

type TimerAnswer = [id: string, job: string, dueAt: string, cause: string]
type LostAnswer = [
  job: string,
  task: string,
  attempt: string,
  token: string,
  worker: string,
  reason: LostLease['reason'],
]

export const leaseTimers = async (
  run: Run,
  { limit, leaseMs }: { limit: number; leaseMs: number },
): Promise<{ timers: Timer[]; lost: LostLease[] }> => {
  const args = [crypto.randomUUID(), limit, leaseMs]
  const [timers, lost] = await run<[TimerAnswer[], LostAnswer[]]>('lease-timers', args)
  return {
    timers: timers.map(([id, jobId, dueAt, cause]) => ({
      id: parseName(id),
      jobId: parseName(jobId),
      dueAt: Number(dueAt),
      cause: JSON.parse(cause) as Timer['cause'],
    })),
    lost: lost.map(([jobId, taskId, attempt, token, worker, reason]) => ({
      jobId: parseName(jobId),
      taskId: parseName(taskId),
      attempt: Number(attempt),
      token,
      worker: parseName(worker),
      reason,
    })),
  }
}

export const dropTimers = async (run: Run, ids: string[]): Promise<void> => {
  if (ids.length > 0) await run('drop-timers', ids.map(nameText))
}

export const nextDue = async (run: Run, blueprints: BlueprintVersion[], records: string[]): Promise<number | null> => {
  const jobs = kindsOf(blueprints)
  return parseNumber(
    await run<string>('next-due', [jobs.length, ...jobs, records.length, ...records.map((kind) => nameText(kind))]),
  )
}
