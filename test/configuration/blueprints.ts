/** Blueprints on which the effects of variables can be seen. */
import { type Blueprint, blueprint } from '@tutti/engine'
import { z } from 'zod'

/** Hands out one task; nobody's patience is longer than the configuration's. */
export const errand = blueprint({ name: 'errand' })
  .state('begin', { start: true, to: ['done'] }, ({ dispatch }) => dispatch('run', {}, { on: { success: 'done' } }))
  .end('done')

/** As `errand`, without a pause between tries. */
export const eager = blueprint({ name: 'eager' })
  .state('begin', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('run', {}, { on: { success: 'done' }, retry: { initial: '1ms' } }),
  )
  .end('done')

/** Its task's result has a shape. */
export const checkedErrand = blueprint({
  name: 'checked-errand',
  skills: { run: { result: z.object({ pages: z.number() }) } },
})
  .state('begin', { start: true, to: ['done'] }, ({ dispatch }) => dispatch('run', {}, { on: { success: 'done' } }))
  .end('done')

/** Its task goes to the cheapest worker that is not full. */
export const overflowing = blueprint({ name: 'overflowing' })
  .state('begin', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch('run', {}, { on: { success: 'done' }, strategy: 'overflow' }),
  )
  .end('done')

/** Goes on when the worker tells of a page. */
export const telling = blueprint({ name: 'telling' })
  .state('begin', { start: true, to: ['done', 'told'] }, ({ dispatch }) =>
    dispatch('run', {}, { on: { success: 'done' }, onEvent: { page_done: 'told' } }),
  )
  .end('done')
  .end('told')

/** Waits for a person. */
export const approval = blueprint({ name: 'approval' })
  .state('begin', { start: true, to: ['done'] }, ({ approval }) =>
    approval({ message: 'May it?', on: { yes: 'done', no: 'done' } }),
  )
  .end('done')

/** Writes a file of its own. */
export const writer = blueprint({ name: 'writer' })
  .state('begin', { start: true, to: ['done'] }, async ({ files, goTo }) => {
    await files.writeText('note.txt', 'written by a handler')
    return goTo('done')
  })
  .end('done')

/** Reads a file that it is told of; ends as `refused` when it may not. */
export const reader = blueprint({ name: 'reader' })
  .state('begin', { start: true, to: ['done', 'refused'] }, async ({ files, input, goTo }) => {
    try {
      await files.download(String(input.uri))
      return goTo('done')
    } catch {
      return goTo('refused')
    }
  })
  .end('done')
  .end('refused', { outcome: 'failed' })

/** Goes round `times` times, then ends. */
export const round = (times: number): Blueprint =>
  blueprint({ name: 'round' })
    .state('turn', { start: true, to: ['turn', 'done'] }, ({ data, goTo }) => {
      const turns = Number(data.turns ?? 0) + 1
      return goTo(turns < times ? 'turn' : 'done', { turns })
    })
    .end('done')

/** Starts itself as a child until `depth` children stand below one another. */
export const nested = (depth: number): Blueprint =>
  blueprint({ name: 'nested' })
    .state('begin', { start: true, to: ['done', 'refused'] }, ({ input, runBlueprint, goTo }) =>
      Number(input.level ?? 0) < depth
        ? runBlueprint(
            'nested',
            { level: Number(input.level ?? 0) + 1 },
            { on: { success: 'done', failure: 'refused' } },
          )
        : goTo('done'),
    )
    .end('done')
    .end('refused', { outcome: 'failed' })

/** Handlers that meet: each waits until `together` of them are inside at a time, or until `free` says that enough have come. */
export const meeting = (together: number): { blueprint: Blueprint; most: () => number; free: () => void } => {
  let inside = 0
  let most = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    blueprint: blueprint({ name: 'meeting' })
      .state('begin', { start: true, to: ['done'] }, async ({ goTo }) => {
        inside += 1
        most = Math.max(most, inside)
        if (inside >= together) resolve()
        await promise
        inside -= 1
        return goTo('done')
      })
      .end('done'),
    most: () => most,
    free: () => resolve(),
  }
}
