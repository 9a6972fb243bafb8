/** Where jobs, tasks, timers, log lines and records hold values that can be large. */
import type { Json, JsonObject } from '@tutti/contracts'
import {
  type Cause,
  isTaskBranch,
  type Job,
  type JobEvent,
  type LeasedTask,
  type StoredRecord,
  type Task,
  type Timer,
  type Waiting,
} from '@tutti/engine'

/** Gives what stands in the slot from then on; the same value when nothing changes. */
export type Fill = (value: Json) => Json

export const inJob = (job: Job, fill: Fill): Job => ({
  ...job,
  input: object(job.input, fill),
  data: object(job.data, fill),
  results: fill(job.results) as Json[],
  last: job.last && { ...job.last, data: fill(job.last.data) },
  waiting: job.waiting && inWaiting(job.waiting, fill),
  output: fill(job.output),
  ending: job.ending && { ...job.ending, output: fill(job.ending.output) },
  signals: job.signals.map((signal) => ({ ...signal, data: fill(signal.data) })),
})

const inWaiting = (waiting: Waiting, fill: Fill): Waiting => {
  if (waiting.kind !== 'parallel') return waiting
  const branches = waiting.branches.map((branch) => {
    const data = fill(branch.data)
    return isTaskBranch(branch)
      ? { ...branch, data, spec: branch.spec && { ...branch.spec, params: object(branch.spec.params, fill) } }
      : {
          ...branch,
          data,
          childSpec: branch.childSpec && { ...branch.childSpec, input: object(branch.childSpec.input, fill) },
        }
  })
  return { ...waiting, branches }
}

export const inTask = (task: Task, fill: Fill): Task => ({ ...task, params: object(task.params, fill) })

export const inLease = (leased: LeasedTask, fill: Fill): LeasedTask => ({ ...leased, task: inTask(leased.task, fill) })

export const inEvent = <E extends JobEvent>(event: E, fill: Fill): E => ({ ...event, data: object(event.data, fill) })

/** Whatever a cause carries: results, outputs, data of events. */
export const inTimer = (timer: Timer, fill: Fill): Timer => {
  const carried = Object.entries(timer.cause).filter(([name]) => name === 'data' || name === 'output')
  if (carried.length === 0) return timer
  const filled = Object.fromEntries(carried.map(([name, value]) => [name, fill(value as Json)]))
  return { ...timer, cause: { ...timer.cause, ...filled } as Cause }
}

export const inRecord = (record: StoredRecord, fill: Fill): StoredRecord => ({
  ...record,
  body: object(record.body, fill),
})

/** What stands in for an object is one. */
const object = (value: JsonObject, fill: Fill): JsonObject => fill(value) as JsonObject
