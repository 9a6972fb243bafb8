/**
 * The built-in blueprint `agent_run`: a session's run as a job. One state, because everything that can go wrong between
 * hand-out and result (lease, retry, cancel) is the engine's own business.
 */
import { agentRunParams, agentSkillOf } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'

export const AGENT_RUN = 'agent_run'

/** Tries of a turn in all. A turn costs money: a fault that outlives three tries will not go away by a fourth. */
export const agentRunAttempts = 3

export const agentRunBlueprint = blueprint({ name: AGENT_RUN, version: 1, input: agentRunParams })
  .state('turn', { start: true, to: ['completed', 'failed'] }, ({ input, job, dispatch }) =>
    dispatch(agentSkillOf(input.schedule_mode), input, {
      // With the owner in the key nobody can hold up a stranger's session by guessing its id.
      concurrencyKey: `session:${job.client}:${input.session_id ?? job.id}`,
      // Turns may think for hours; a worker that died is noticed by its lease, not by this.
      timeout: '1d',
      retry: { attempts: agentRunAttempts, backoff: 'exponential', initial: '2s', max: '1m' },
      // Without a route for `cancelled` the job ends as cancelled.
      on: { success: 'completed', failure: 'failed' },
    }),
  )
  .end('completed', ({ last }) => last?.data ?? null)
  .end('failed', { outcome: 'failed' })
