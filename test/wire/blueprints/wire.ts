/** The blueprints that the tests of the wire run. The skill comes with the input, so that tests don't meet. */
import { blueprint, task } from '@tutti/engine'

const skillOf = (input: { [key: string]: unknown }): string => String(input.skill)

/** One task. */
export const single = blueprint({ name: 'wire_single' })
  .state('work', { start: true, to: ['done', 'review'] }, ({ input, dispatch }) =>
    dispatch(
      skillOf(input),
      { number: input.number ?? 1, ...(input.params as object | undefined) },
      { on: { success: 'done', needs_review: 'review' }, retry: { attempts: 4, initial: '1ms' } },
    ),
  )
  .end('done', ({ data }) => data)
  .end('review', ({ data }) => ({ reviewed: data }))

/** It has a way for a task that its worker cancelled. */
export const cancellable = blueprint({ name: 'wire_cancellable' })
  .state('work', { start: true, to: ['done', 'undone'] }, ({ input, dispatch }) =>
    dispatch(skillOf(input), {}, { on: { success: 'done', cancelled: 'undone' } }),
  )
  .end('done')
  .end('undone', () => ({ undone: true }))

/** Two tasks side by side. */
export const parallel = blueprint({ name: 'wire_parallel' })
  .state('work', { start: true, to: ['done'] }, ({ input, parallel }) =>
    parallel([task(skillOf(input), { part: 1 }), task(skillOf(input), { part: 2 })], { into: 'done' }),
  )
  .end('done', ({ results }) => results)
