/** Leaving what the job waited for: whatever only the wait needed goes with it. */
import { isTaskBranch, type OpenTask } from '../job/job.ts'
import { clearTimer, closeTask, type Draft, setTimer } from './draft.ts'

export const leaveWaiting = (draft: Draft): void => {
  const { job } = draft
  const { waiting } = job
  job.waiting = null
  switch (waiting?.kind) {
    case 'task':
      closeOpen(draft, waiting.task)
      return
    case 'parallel':
      for (const branch of waiting.branches)
        if (branch.status === 'open')
          if (isTaskBranch(branch)) closeOpen(draft, branch.task)
          else cancelChild(draft, branch.child.id)
      return
    case 'approval':
      if (waiting.timerId !== null) clearTimer(draft, waiting.timerId)
      if (waiting.escalated < waiting.escalate.length) clearTimer(draft, escalationTimer(draft, waiting.escalated))
      return
    case 'event':
    case 'sleep':
      if (waiting.timerId !== null) clearTimer(draft, waiting.timerId)
      return
    case 'child':
      cancelChild(draft, waiting.childId)
  }
}

/** A message in the form of a timer that is due: it can neither be lost nor take effect twice. */
const cancelChild = (draft: Draft, childId: string): void => {
  const { job, env } = draft
  setTimer(draft, {
    id: `${job.id}:cancel:${childId}`,
    jobId: childId,
    dueAt: env.now,
    cause: { type: 'cancel', by: 'parent', reason: `the parent job ${job.id} does not wait for it any more` },
  })
}

/** A task that is over, with the clock that watched it. */
export const closeOpen = (draft: Draft, task: OpenTask): void => {
  closeTask(draft, task.id)
  if (task.resultBy !== null) clearTimer(draft, resultTimer(task.id))
}

export const resultTimer = (taskId: string): string => `${taskId}:result`

/** A job has one wait between two changes of state, so their number tells waits apart. */
export const waitTimer = ({ job }: Draft, kind: 'approval' | 'event' | 'sleep'): string =>
  `${job.id}:${kind}:${job.transitions}`

export const escalationTimer = ({ job }: Draft, step: number): string =>
  `${job.id}:escalation:${job.transitions}:${step}`
