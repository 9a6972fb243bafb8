/** The core against a small model, over random blueprints and causes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Cause } from '../src/job/cause.ts'
import { isTaskBranch, type Job } from '../src/job/job.ts'
import { changeOf, draftOf } from '../src/transition/draft.ts'
import { transition } from '../src/transition/transition.ts'
import { anEnv, aSpec, fresh } from './core.ts'
import { openOf, play } from './transition-model.ts'
import { limits, move } from './transition-moves.ts'

test('whatever happens, the queue holds what the job waits for, the log has no gap, and an end is final', () => {
  fc.assert(
    fc.property(fc.array(fc.array(move, { minLength: 1, maxLength: 4 }), { maxLength: 40 }), (batches) => {
      play(batches)
    }),
    { numRuns: 1_500 },
  )
})

test('results of a fan-out are in the order of its tasks, whatever the order and the tries', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ order: fc.nat(), failures: fc.nat({ max: 3 }) }), { minLength: 1, maxLength: 8 }),
      fc.option(fc.integer({ min: 1, max: 3 })),
      (branches, concurrency) => {
        const env = { ...anEnv(), limits }
        const step = (job: Job, cause: Cause): Job => {
          const draft = draftOf(job, env)
          expect(transition(draft, cause)).toBe('applied')
          return changeOf(draft, [], [], []).job
        }
        const tasks = branches.map(() => aSpec())
        let job = step(fresh(), {
          type: 'acted',
          lease: null,
          action: { kind: 'parallel', tasks, into: 'join', failFast: false, concurrency, quorum: null },
        })
        const ids =
          job.waiting?.kind === 'parallel' ? job.waiting.branches.filter(isTaskBranch).map(({ task }) => task.id) : []
        while (job.waiting) {
          const open = openOf(job).map((task) => ({ task, at: ids.indexOf(task.id) }))
          const [next] = open.sort((a, b) => (branches[a.at]?.order ?? 0) - (branches[b.at]?.order ?? 0))
          if (!next) throw new Error('a fan-out that waits has open tasks')
          const fails = next.task.attempt <= (branches[next.at]?.failures ?? 0)
          job = step(job, {
            type: 'task_result',
            taskId: next.task.id,
            attempt: next.task.attempt,
            worker: 'w',
            status: fails ? 'failure' : 'success',
            data: fails ? null : next.at,
            error: null,
            durationMs: null,
          })
        }
        expect(job.results).toEqual(branches.map(({ failures }, at) => (failures >= limits.taskAttempts ? null : at)))
      },
    ),
    { numRuns: 300 },
  )
})
