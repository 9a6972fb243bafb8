/** A job that waits for everything that a job can wait for, and its child. */
import { blueprint, task } from '@tutti/engine'

const retry = { attempts: 20, initial: '100ms', max: '500ms' } as const

export const journey = blueprint({ name: 'journey' })
  .state('pack', { start: true, to: ['split'] }, ({ dispatch }) =>
    dispatch('kill.work', { part: 'pack' }, { on: { success: 'split' }, retry }),
  )
  .state('split', { to: ['delegate'] }, ({ parallel }) =>
    parallel(
      ['a', 'b', 'c'].map((part) => task('kill.work', { part }, { retry })),
      { into: 'delegate', concurrency: 2 },
    ),
  )
  .state('delegate', { to: ['rest'] }, ({ runBlueprint }) => runBlueprint('errand', {}, { on: { success: 'rest' } }))
  .state('rest', { to: ['listen'] }, ({ sleep }) => sleep('300ms', { to: 'listen' }))
  .state('listen', { to: ['arrived'] }, ({ waitForEvent }) => waitForEvent({ name: 'go', on: { event: 'arrived' } }))
  .end('arrived', ({ results, last }) => ({ parts: results, told: last?.data }))

export const errand = blueprint({ name: 'errand' })
  .state('run', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('kill.work', { part: 'errand' }, { on: { success: 'done' }, retry }),
  )
  .end('done', ({ data }) => data)

/** What the schedule makes: nothing to wait for. */
export const tick = blueprint({ name: 'tick' })
  .state('now', { start: true, to: ['done'] }, ({ goTo }) => goTo('done'))
  .end('done')

/** For a worker that asks by hand. */
export const parcel = blueprint({ name: 'parcel' })
  .state('send', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('kill.parcel', {}, { on: { success: 'done' } }),
  )
  .end('done')
