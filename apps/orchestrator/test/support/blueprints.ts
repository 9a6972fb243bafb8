/** The blueprints that the tests run. */
import { blueprint, task } from '@tutti/engine'
import { z } from 'zod'

/** One task, and its answer is the result. */
const shrink = blueprint({
  name: 'shrink',
  version: 3,
  endpoint: '/pictures/shrink',
  input: z.object({ url: z.url(), sizes: z.array(z.int().min(1)).default([64]) }),
})
  .state('begin', { start: true, to: ['done', 'refused'] }, ({ input, dispatch }) =>
    dispatch(
      'picture.shrink',
      { url: input.url, sizes: input.sizes },
      { on: { success: 'done', refused: 'refused' }, retry: { initial: '1ms' } },
    ),
  )
  .end('done', ({ data }) => data)
  .end('refused', { outcome: 'failed' })

/** A person decides. */
const publish = blueprint({ name: 'publish', endpoint: '/publish' })
  .state('ask', { start: true, to: ['out', 'kept'] }, ({ approval }) =>
    approval({
      message: 'Shall it go out?',
      on: { yes: 'out', no: 'kept', timeout: 'kept' },
      timeout: '2d',
    }),
  )
  .end('out', ({ last }) => last?.data ?? null)
  .end('kept')

/** Many tasks at once. */
const sweep = blueprint({ name: 'sweep' })
  .state('begin', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel([task('floor.sweep', { room: 'hall' }), task('floor.sweep', { room: 'attic' })], { into: 'done' }),
  )
  .end('done', ({ results }) => results)

/** Ends in the call that creates it. */
const nothing = blueprint({ name: 'nothing' })
  .state('begin', { start: true, to: ['done'] }, ({ goTo }) => goTo('done'))
  .end('done', () => ({ ok: true }))

export const blueprints = [shrink, publish, sweep, nothing]
