/**
 * What a job knew at any line of its log, from the log alone. The lines tell changes and never whole states, so a long job's log
 * stays as long as what happened in it.
 */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { BranchOutcome, Job, JobEvent, LastOutcome, Signal } from './job.ts'

export interface Knowledge {
  state: string
  data: JsonObject
  results: Json[]
  branches: BranchOutcome[]
  last: LastOutcome | null
}

interface Fold extends Knowledge {
  /** What a task or child answered: it becomes data with the state that it leads to, and not if the job ends there. */
  answer: Json
  /** Results of the fan-out that goes on. */
  joined: Json[]
  signals: Pick<Signal, 'id' | 'data'>[]
}

/** After line `seq`. `events` are the log from line 1 on, at least up to there. */
export const stateAt = (events: readonly JobEvent[], seq: number): Knowledge => {
  const fold: Fold = {
    state: events[0]?.state ?? '',
    data: {},
    results: [],
    branches: [],
    last: null,
    answer: null,
    joined: [],
    signals: [],
  }
  for (const event of events) {
    if (event.seq > seq) break
    fold.state = event.state
    apply(fold, event)
  }
  const { state, data, results, branches, last } = fold
  return { state, data, results, branches, last }
}

/** The last line at which the job entered the state; undefined when it never did. Undoing does not count: it goes its own way. */
export const lastEntered = (events: readonly JobEvent[], states: (state: string) => boolean): number | undefined => {
  const undoing = events.findIndex((event) => event.type === 'compensation_started')
  const course = undoing < 0 ? events : events.slice(0, undoing)
  return course.findLast(({ type, state }) => entries.has(type) && states(state))?.seq
}

const entries = new Set(['job_created', 'job_forked', 'state_entered'])

export const knowledgeOf = ({ state, data, results, branches, last }: Job): Knowledge => ({
  state,
  data,
  results,
  branches,
  last,
})

const apply = (fold: Fold, { type, data }: JobEvent): void => {
  switch (type) {
    case 'job_forked':
      fold.data = data.data as JsonObject
      fold.results = data.results as Json[]
      fold.branches = data.branches as unknown as BranchOutcome[]
      fold.last = data.last as unknown as LastOutcome | null
      return
    case 'state_entered':
      fold.data = laidOver(fold.data, data.data ?? fold.answer)
      fold.answer = null
      return
    case 'compensation_started':
      // The answer led to the job's end, and not into a state.
      fold.answer = null
      return
    case 'task_finished':
      if (typeof data.branch === 'number') {
        fold.joined[data.branch] = data.status === 'cancelled' ? null : (data.data ?? null)
        return
      }
      cameOut(fold, { status: String(data.status), data: data.data ?? null, error: null }, data.data)
      return
    case 'task_failed':
    case 'task_lost':
      if (data.verdict !== undefined && data.branch === undefined)
        cameOut(fold, { status: 'failure', data: null, error: data.verdict as JobError })
      return
    case 'parallel_started':
      fold.joined = Array.from({ length: Number(data.tasks) }, () => null)
      return
    case 'parallel_finished':
      joinBranches(fold, data)
      return
    case 'child_finished':
      if (typeof data.branch === 'number') {
        fold.joined[data.branch] = data.output ?? null
        return
      }
      cameOut(
        fold,
        { status: String(data.outcome), data: data.output ?? null, error: (data.error ?? null) as JobError | null },
        data.outcome === 'success' ? data.output : null,
      )
      return
    case 'approval_received':
      cameOut(fold, { status: String(data.decision), data, error: null })
      return
    case 'approval_timed_out':
    case 'event_timed_out':
      cameOut(fold, { status: 'timeout', data: null, error: data.error as JobError })
      return
    case 'signal_received':
      fold.signals.push({ id: String(data.signal_id), data: data.data ?? null })
      return
    case 'signal_consumed': {
      const at = fold.signals.findIndex((signal) => signal.id === data.signal_id)
      const [signal] = at < 0 ? [] : fold.signals.splice(at, 1)
      cameOut(fold, { status: 'event', data: signal?.data ?? null, error: null })
      return
    }
  }
  if (type.startsWith('worker_event:') && data.preempts === true)
    cameOut(fold, { status: type.slice('worker_event:'.length), data: data.data ?? null, error: null }, data.data)
}

const cameOut = (fold: Fold, last: LastOutcome, answer: Json | undefined = null): void => {
  fold.last = last
  fold.answer = answer
}

const joinBranches = (fold: Fold, data: JsonObject): void => {
  const told = data.branches as unknown as (Omit<BranchOutcome, 'error'> & { error?: JobError })[]
  fold.results = fold.joined
  fold.joined = []
  fold.branches = told.map(({ skill, status, error }) => ({ skill, status, error: error ?? null }))
  const error = fold.branches.find((branch) => branch.status === 'failed')?.error ?? null
  cameOut(fold, {
    status: String(data.status),
    data: { done: data.done ?? 0, failed: data.failed ?? 0 },
    error,
  })
}

const laidOver = (data: JsonObject, patch: Json): JsonObject =>
  patch !== null && typeof patch === 'object' && !Array.isArray(patch) ? { ...data, ...patch } : data
