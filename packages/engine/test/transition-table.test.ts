import { describe, expect, test } from 'vitest'
import type { Cause } from '../src/job/cause.ts'
import type { Job } from '../src/job/job.ts'
import { openTasks, result, signal, startedAt, states, step } from './core.ts'

type StateName = keyof typeof states
const terminal: StateName[] = ['finished', 'failed', 'cancelled', 'quarantined', 'error']

describe('every cause in every state', () => {
  const causes: Record<string, (job: Job) => Cause> = {
    'its own wake': (job) => ({ type: 'wake', wakeAt: job.wakeAt ?? 0 }),
    'a late wake': (job) => ({ type: 'wake', wakeAt: (job.wakeAt ?? 0) - 1 }),
    'a late action': (job) => ({
      type: 'acted',
      lease: job.rev - 1,
      action: { kind: 'go_to', to: 'next', data: null },
    }),
    'a late error': (job) => ({
      type: 'threw',
      lease: job.rev - 1,
      error: { code: 'X', message: 'x' },
      retryable: true,
    }),
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
    'its escalation': () => ({ type: 'approval_escalation', step: 0, at: startedAt + 10 }),
    'an older escalation': () => ({ type: 'approval_escalation', step: 0, at: startedAt }),
    'its event': () => signal('s-1'),
    'an event that nobody waits for': () => signal('s-1', 'shipped'),
    'its event’s time-out': () => ({ type: 'event_timeout', timerId: 'job:event:0' }),
    'an older event time-out': () => ({ type: 'event_timeout', timerId: 'job:event:9' }),
    'the end of its sleep': () => ({ type: 'sleep_over', timerId: 'job:sleep:0' }),
    'the end of an older sleep': () => ({ type: 'sleep_over', timerId: 'job:sleep:9' }),
    'its result’s deadline': (job) => ({ type: 'result_deadline', taskId: openTasks(job)[0] ?? 'id-1' }),
    'a stranger’s deadline': () => ({ type: 'result_deadline', taskId: 'no-such-task' }),
    'its worker’s event': (job) => workerEvent(openTasks(job)[0] ?? 'id-1'),
    'a stranger’s worker event': () => workerEvent('no-such-task'),
    'its child’s end': () => childEnded('id-1', 'finished'),
    'a stranger’s end': () => childEnded('id-9', 'finished'),
    'the deadline': () => ({ type: 'deadline' }),
    'a cancellation': () => ({ type: 'cancel', by: 'me', reason: null }),
    'a pause': () => ({ type: 'pause', by: 'me' }),
    'a resumption': () => ({ type: 'resume', by: 'me' }),
    'an update': () => ({ type: 'update', by: 'me', changes: { priority: 7 } }),
    'a migration': (job) => ({
      type: 'migrate',
      by: 'me',
      version: 2,
      state: null,
      states: [job.state, 'next', 'mend', 'late', 'join'],
    }),
    'a migration to nowhere': () => ({ type: 'migrate', by: 'me', version: 2, state: 'nowhere', states: ['next'] }),
  }
  const waits: StateName[] = ['task', 'parallel', 'approval', 'child', 'event', 'sleeping']
  const alive: StateName[] = ['running', 'retrying', 'paused', 'undoing', ...waits]
  const endable = alive.filter((state) => state !== 'undoing')
  const applied: Record<string, StateName[]> = {
    'its own wake': ['retrying'],
    'its result': ['task', 'parallel'],
    'its lost lease': ['task', 'parallel'],
    progress: ['task', 'parallel'],
    'a decision': ['approval'],
    'its approval time-out': ['approval'],
    'its escalation': ['approval'],
    'its event': alive,
    'an event that nobody waits for': alive,
    'its event’s time-out': ['event'],
    'the end of its sleep': ['sleeping'],
    'its result’s deadline': ['task', 'parallel'],
    'its worker’s event': ['task', 'parallel'],
    'its child’s end': ['child'],
    'the deadline': endable,
    'a cancellation': endable,
    'a pause': alive.filter((state) => state !== 'paused'),
    'a resumption': ['paused'],
    'an update': alive,
    'a migration': ['paused', ...waits],
  }
  const expected = (cause: string, state: StateName): string => {
    if (terminal.includes(state)) return 'terminal'
    if (applied[cause]?.includes(state)) return 'applied'
    if (cause === 'a wrong decision' && state === 'approval') return 'invalid_decision'
    if (state === 'undoing' && ['the deadline', 'a cancellation'].includes(cause)) return 'ending'
    if (['a pause', 'a resumption'].includes(cause)) return 'repeated'
    if (cause === 'a migration to nowhere' && ['paused', ...waits].includes(state)) return 'unknown_state'
    return /decision|migration/.test(cause) ? 'not_waiting' : 'stale'
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

const nothing = {
  enqueue: [],
  requeue: [],
  close: [],
  setTimers: [],
  clearTimers: [],
  events: [],
  spawn: [],
  records: [],
}

const workerEvent = (taskId: string): Cause => ({
  type: 'worker_event',
  id: null,
  taskId,
  worker: 'w',
  name: 'seen',
  data: {},
})

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
