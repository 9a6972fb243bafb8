/** The join of a fan-out: branches end in any order, and the job goes on once. */
import type { JobError, Json } from '@tutti/contracts'
import type { Branch, Waiting } from '../job/job.ts'
import { openBranches } from './dispatch.ts'
import { type Draft, log } from './draft.ts'
import { enterState } from './enter.ts'

type Parallel = Waiting & { kind: 'parallel' }

export const endBranch = (
  draft: Draft,
  waiting: Parallel,
  branch: Branch,
  data: Json,
  error: JobError | null,
): void => {
  branch.status = error ? 'failed' : 'done'
  branch.data = data
  branch.error = error
  const over = waiting.branches.every((other) => other.status === 'done' || other.status === 'failed')
  if (over || (error && waiting.failFast)) finishParallel(draft, waiting)
  else openBranches(draft, waiting)
}

/** Goes on to the join state: `results` in the order of the tasks, `last` tells whether any branch failed. */
export const finishParallel = (draft: Draft, waiting: Parallel): void => {
  const { job } = draft
  const failed = waiting.branches.filter((branch) => branch.status === 'failed')
  const [first] = failed
  job.results = waiting.branches.map((branch) => branch.data)
  job.last = {
    status: failed.length === 0 ? 'success' : 'failure',
    data: { done: waiting.branches.filter((branch) => branch.status === 'done').length, failed: failed.length },
    error: first?.error ?? null,
  }
  log(draft, 'parallel_finished', { tasks: waiting.branches.length, failed: failed.length })
  enterState(draft, waiting.into)
}
