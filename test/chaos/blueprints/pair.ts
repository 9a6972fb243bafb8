/** A job that has two agents at work, one after the other. */
import { blueprint } from '@tutti/engine'
import { z } from 'zod'

export const pair = blueprint({
  ...{ name: 'chaos_pair', version: 1 },
  input: z.object({ first: z.string(), second: z.string() }),
})
  .state('first', { start: true, to: ['second', 'failed'] }, ({ input, agent }) =>
    agent({ prompt: input.first, on: { success: 'second', failure: 'failed' }, timeout: '10m' }),
  )
  .state('second', { to: ['done', 'failed'] }, ({ input, agent }) =>
    agent({ prompt: input.second, on: { success: 'done', failure: 'failed' }, timeout: '10m' }),
  )
  .end('done', ({ results }) => ({ results }))
  .end('failed', { outcome: 'failed' })
