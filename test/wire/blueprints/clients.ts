/** The blueprints that the tests of the client's wire run. */
import { blueprint } from '@tutti/engine'
import { z } from 'zod'

/** Ends at once, and tells what a handler sees of the client. */
export const context = blueprint({ name: 'wire_context', endpoint: '/wire/context' })
  .state('look', { start: true, to: ['finished'] }, ({ goTo }) => goTo('finished'))
  .end('finished', ({ client, input }) => ({ plan: client.plan, params: client.params, input }))

/** A value put down in one state is there in the next. */
export const memo = blueprint({ name: 'wire_memo', endpoint: 'wire/memo', input: z.object({ value: z.int() }) })
  .state('write', { start: true, to: ['read'] }, ({ goTo, input }) => goTo('read', { kept: input.value }))
  .state('read', { to: ['finished'] }, ({ goTo, data }) => goTo('finished', { twice: Number(data.kept) * 2 }))
  .end('finished', ({ data }) => data)

export const child = blueprint({ name: 'wire_child' })
  .state('work', { start: true, to: ['finished'] }, ({ goTo }) => goTo('finished'))
  .end('finished', ({ input }) => ({ child: input.word ?? null }))

export const parent = blueprint({ name: 'wire_parent', endpoint: '/wire/parent' })
  .state('work', { start: true, to: ['finished'] }, ({ runBlueprint }) =>
    runBlueprint('wire_child', { word: 'hello' }, { on: { success: 'finished' } }),
  )
  .end('finished', ({ last }) => last?.data ?? null)

/** A person decides. */
export const person = blueprint({ name: 'wire_person', endpoint: '/wire/person' })
  .state('ask', { start: true, to: ['finished', 'refused'] }, ({ approval }) =>
    approval({ message: 'go on?', on: { approved: 'finished', rejected: 'refused' } }),
  )
  .end('finished')
  .end('refused', { outcome: 'failed' })

/** It never comes to an end by itself. */
export const loop = blueprint({ name: 'wire_loop', endpoint: '/wire/loop' })
  .state('here', { start: true, to: ['there', 'done'] }, ({ goTo }) => goTo('there'))
  .state('there', { to: ['here'] }, ({ goTo }) => goTo('here'))
  .end('done')
