/** Fan-out and join: branches end in any order, and the job goes on once. */
import type { JobError, Json } from '@tutti/contracts'
import { type Action, isChild } from '../blueprint/action.ts'
import { type Branch, isTaskBranch, type Waiting } from '../job/job.ts'
import { enterState } from './course.ts'
import { beginDispatch, enqueueTask, openTask, resolveTask } from './dispatch.ts'
import { type Draft, log } from './draft.ts'
import { mayHaveChild, spawnChild } from './spawn.ts'

export type Parallel = Waiting & { kind: 'parallel' }

export const dispatchParallel = (draft: Draft, action: Action & { kind: 'parallel' }): void => {
  const { into, failFast, concurrency, quorum, tasks } = action
  const child = tasks.find(isChild)
  if (child && !mayHaveChild(draft, child.blueprint)) return
  const waiting: Parallel = {
    kind: 'parallel',
    into,
    failFast,
    concurrency,
    quorum,
    branches: tasks.map((spec): Branch => {
      const begun = { status: 'waiting', data: null, error: null } as const
      if (isChild(spec))
        return { ...begun, child: { id: draft.env.newId(), blueprint: spec.blueprint }, childSpec: spec }
      const resolved = resolveTask(draft, spec)
      return { ...begun, task: openTask(draft, resolved), spec: resolved }
    }),
  }
  beginDispatch(draft)
  draft.job.waiting = waiting
  log(draft, 'parallel_started', { into, tasks: tasks.length, ...(quorum === null ? {} : { quorum }) })
  goOn(draft, waiting)
}

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
  goOn(draft, waiting)
}

/** Joins as soon as it is known how the fan-out comes out; else opens what the cap allows. */
const goOn = (draft: Draft, waiting: Parallel): void => {
  const { branches, quorum, failFast } = waiting
  const done = count(branches, 'done')
  const failed = count(branches, 'failed')
  const decided = quorum !== null && (done >= quorum || branches.length - failed < quorum)
  if (decided || done + failed === branches.length || (failFast && failed > 0)) finishParallel(draft, waiting)
  else openBranches(draft, waiting)
}

const openBranches = (draft: Draft, waiting: Parallel): void => {
  let open = count(waiting.branches, 'open')
  for (const branch of waiting.branches) {
    if (waiting.concurrency !== null && open >= waiting.concurrency) return
    if (branch.status !== 'waiting' || !openBranch(draft, branch)) continue
    branch.status = 'open'
    open += 1
  }
}

const openBranch = (draft: Draft, branch: Branch): boolean => {
  if (isTaskBranch(branch)) {
    if (branch.spec === null) return false
    enqueueTask(draft, branch.spec, branch.task)
    branch.spec = null
  } else {
    if (branch.childSpec === null) return false
    spawnChild(draft, branch.child.id, branch.childSpec)
    branch.childSpec = null
  }
  return true
}

/** Goes on to the join state: `results` in the order of the tasks, `last` tells whether enough branches succeeded. */
const finishParallel = (draft: Draft, waiting: Parallel): void => {
  const { job } = draft
  const { branches, quorum } = waiting
  const done = count(branches, 'done')
  const failed = count(branches, 'failed')
  const status = (quorum === null ? failed === 0 : done >= quorum) ? 'success' : 'failure'
  const error = branches.find((branch) => branch.status === 'failed')?.error ?? null
  job.results = branches.map((branch) => branch.data)
  job.branches = branches.map((branch) => ({
    skill: isTaskBranch(branch) ? branch.task.skill : branch.child.blueprint,
    status: branch.status === 'done' || branch.status === 'failed' ? branch.status : 'closed',
    error: branch.error,
  }))
  job.last = { status, data: { done, failed }, error }
  // The data of each branch are in the line of its own result: twice would be twice as long.
  log(draft, 'parallel_finished', {
    tasks: branches.length,
    done,
    failed,
    status,
    branches: job.branches.map(({ skill, status: how, error: why }) => ({
      skill,
      status: how,
      ...(why ? { error: { code: why.code, message: why.message } } : {}),
    })),
  })
  enterState(draft, waiting.into, { done: done > 0 })
}

const count = (branches: Branch[], status: Branch['status']): number =>
  branches.reduce((sum, branch) => sum + (branch.status === status ? 1 : 0), 0)
