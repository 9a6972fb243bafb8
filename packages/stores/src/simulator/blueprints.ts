/** What the simulated clients run: each blueprint stresses another promise. */
import { type Blueprint, blueprint, task } from '@tutti/engine'

const sequence = blueprint({ name: 'sequence' })
  .state('first', { start: true, to: ['second', 'gave_up'] }, ({ dispatch }) =>
    dispatch('work', { step: 1 }, { on: { success: 'second', failure: 'gave_up' }, timeout: '20s' }),
  )
  .state('second', { to: ['done', 'gave_up'] }, ({ dispatch }) =>
    dispatch(
      'press',
      { step: 2 },
      { on: { success: 'done', failure: 'gave_up' }, retry: { attempts: 6, initial: '200ms' } },
    ),
  )
  .end('done', ({ data }) => data)
  .end('gave_up', { outcome: 'failed' })

const fanOut = blueprint({ name: 'fan_out' })
  .state('split', { start: true, to: ['joined'] }, ({ parallel, input }) =>
    parallel(
      Array.from({ length: Number(input.width) }, (_, at) =>
        task(
          at % 2 ? 'work' : 'press',
          { branch: at },
          { concurrencyKey: `branches-${at % 2}`, retry: { attempts: 5, initial: '100ms' } },
        ),
      ),
      { into: 'joined', failFast: input.fail_fast === true, ...(input.cap ? { concurrency: Number(input.cap) } : {}) },
    ),
  )
  .state('joined', { to: ['done', 'gave_up'] }, ({ last, goTo }) =>
    goTo(last?.status === 'success' ? 'done' : 'gave_up'),
  )
  .end('done', ({ results }) => results)
  .end('gave_up', { outcome: 'failed' })

const approved = blueprint({ name: 'approved' })
  .state('ask', { start: true, to: ['work', 'refused', 'late'] }, ({ approval }) =>
    approval({ message: 'go on?', on: { yes: 'work', no: 'refused', timeout: 'late' }, timeout: '5m' }),
  )
  .state('work', { to: ['done'] }, ({ dispatch, job }) =>
    dispatch('work', {}, { on: { success: 'done' }, concurrencyKey: `key-${job.id.charCodeAt(0) % 3}` }),
  )
  .end('done')
  .end('refused', { outcome: 'failed' })
  .end('late', { outcome: 'failed' })

const parent = blueprint({ name: 'parent' })
  .state('child', { start: true, to: ['after', 'gave_up'] }, ({ runBlueprint }) =>
    runBlueprint('sequence', {}, { on: { success: 'after', failure: 'gave_up' } }),
  )
  .state('after', { to: ['done'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'done' } }))
  .end('done')
  .end('gave_up', { outcome: 'failed' })

/** Its handlers throw, dawdle, and chain state after state. */
export const unruly = (misbehave: () => 'throw' | 'dawdle' | 'none', sleep: (ms: number) => Promise<void>): Blueprint =>
  blueprint({ name: 'unruly' })
    .state('start', { start: true, to: ['middle'] }, async ({ goTo }) => {
      const mood = misbehave()
      if (mood === 'throw') throw new Error('simulated: the handler broke')
      if (mood === 'dawdle') await sleep(3_000)
      return goTo('middle', { passed: 'start' })
    })
    .state('middle', { to: ['done'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'done' } }))
    .end('done')

export const simulatedBlueprints = [sequence, fanOut, approved, parent]
