import { describe, expect, test } from 'vitest'
import type { Cause } from '../src/job/cause.ts'
import type { Job } from '../src/job/job.ts'
import { openTasks, result, states, step } from './core.ts'

type StateName = keyof typeof states
const terminal: StateName[] = ['finished', 'failed', 'cancelled', 'quarantined', 'error']

describe('every cause in every state', () => {
  const causes: Record<string, (job: Job) => Cause> = {
    'its own wake': (job) => ({ type: 'wake', rev: job.rev }),
    'a late wake': (job) => ({ type: 'wake', rev: job.rev - 1 }),
    'a late action': (job) => ({ type: 'acted', rev: job.rev - 1, action: { kind: 'go_to', to: 'next', data: null } }),
    'a late error': (job) => ({ type: 'threw', rev: job.rev - 1, error: { code: 'X', message: 'x' }, retryable: true }),
    'its result': (job) => result(openTasks(job)[0] ?? 'id-1'),
    'a stranger’s result': () => result('no-such-task'),
    'a result of an older try': (job) => result(openTasks(job)[0] ?? 'id-1', { attempt: 0 }),
    'its lost lease': (job) => lost(openTasks(job)[0] ?? 'id-1', 1),
    'an older lost lease': (job) => lost(openTasks(job)[0] ?? 'id-1', 0),
    progress: (job) => ({ type: 'progress', taskId: openTasks(job)[0] ?? 'id-1', progress: 0.5, message: 'half' }),
    'a decision': () => ({ type: 'approval', decision: 'yes', by: 'me', comment: null }),
    'a wrong decision': () => ({ type: 'approval', decision: 'maybe', by: 'me', comment: null }),
    'its approval time-out': () => ({ type: 'approval_timeout', timerId: 'job:approval:0' }),
    'an older approval time-out': () => ({ type: 'approval_timeout', timerId: 'job:approval:9' }),
    'its child’s end': () => childEnded('id-1', 'finished'),
    'a stranger’s end': () => childEnded('id-9', 'finished'),
    'the deadline': () => ({ type: 'deadline' }),
    'a cancellation': () => ({ type: 'cancel', by: 'me', reason: null }),
  }
  const applied: Record<string, StateName[]> = {
    'its own wake': ['running', 'retrying'],
    'its result': ['task', 'parallel'],
    'its lost lease': ['task', 'parallel'],
    progress: ['task', 'parallel'],
    'a decision': ['approval'],
    'its approval time-out': ['approval'],
    'its child’s end': ['child'],
    'the deadline': ['running', 'task', 'parallel', 'approval', 'child', 'retrying'],
    'a cancellation': ['running', 'task', 'parallel', 'approval', 'child', 'retrying'],
  }
  const expected = (cause: string, state: StateName): string => {
    if (terminal.includes(state)) return 'terminal'
    if (applied[cause]?.includes(state)) return 'applied'
    if (cause === 'a wrong decision' && state === 'approval') return 'invalid_decision'
    return cause.endsWith('decision') ? 'not_waiting' : 'stale'
  }
  const cases = Object.keys(causes).flatMap((cause) =>
    (Object.keys(states) as StateName[]).map((state) => ({ cause, state, verdict: expected(cause, state) })),
  )
  test.each(cases)('$cause, $state: $verdict', ({ cause, state, verdict }) => {
    const job = states[state]()
    const before = structuredClone(job)
    const done = step(job, causes[cause]?.(job) ?? { type: 'deadline' })
    expect(done.verdict).toBe(verdict)
    expect(job).toEqual(before)
    if (verdict === 'applied') return
    // An ignored cause has changed nothing, and brings nothing.
    expect(done.draft).toEqual({ ...done.draft, job: before, ...nothing })
  })
})

const nothing = { enqueue: [], requeue: [], close: [], setTimers: [], clearTimers: [], events: [], spawn: [] }

const lost = (taskId: string, attempt: number, reason: 'lease_expired' | 'timed_out' = 'lease_expired'): Cause => ({
  type: 'task_lost',
  taskId,
  attempt,
  worker: 'w',
  reason,
})

const childEnded = (childId: string, status: string): Cause => ({
  type: 'child_ended',
  childId,
  status,
  output: { pages: 3 },
  error: status === 'finished' ? null : { code: 'X', message: 'x' },
})
