/**
 * The built-in blueprint `agent_run`: a session's run as a job. What can go wrong between hand-out and result (lease, retry, cancel) is
 * the engine's own business. A turn that is parked has no task and no sandbox: the job waits for the answer, and then has its next turn.
 */
import { AGENT_LOSSES, AGENT_RUN, agentRunParams, agentSkillOf } from '@tutti/contracts'
import { blueprint } from '@tutti/engine'
import { z } from 'zod'

/** Tries of a turn in all. A turn costs money: a fault that outlives three tries will not go away by a fourth. */
export const agentRunAttempts = 3

/** The status with which the task of a parked turn is answered, and the event that ends the waiting. */
export const PARKED = 'parked'
export const WOKEN = 'woken'

/** What the task of a parked turn is answered with. */
export const parkedData = z.object({
  /** `turn`: an earlier run of the session is parked, and goes first. */
  reason: z.enum(['input', 'rate_limit', 'turn']),
  /** Milliseconds since the epoch; of `rate_limit`. */
  until: z.number().nullable(),
  /** Longest wait; null: as long as it takes. */
  timeout_ms: z.number().nonnegative().nullable(),
})
export type ParkedData = z.infer<typeof parkedData>

export const wokenData = z.object({ expired: z.boolean().default(false) })

export const agentRunBlueprint = blueprint({
  ...{ name: AGENT_RUN.blueprint, version: AGENT_RUN.version, input: agentRunParams },
  events: { [WOKEN]: wokenData },
})
  .state(AGENT_RUN.start, { start: true, to: ['completed', 'failed', 'parked'] }, ({ input, job, dispatch }) => {
    const { dispatch: chosen, ...params } = input
    return dispatch(agentSkillOf(input.schedule_mode), params, {
      // Turns may think for hours; a worker that died is noticed by its lease, not by this.
      timeout: '1d',
      // Somebody waits for a turn whose sandbox has died. What takes longer to pass (a provider, an object store) is waited out by its holder.
      retry: {
        attempts: agentRunAttempts,
        losses: AGENT_LOSSES,
        backoff: 'exponential',
        initial: '100ms',
        max: '1m',
      },
      ...chosen,
      // With the owner in the key nobody can hold up a stranger's session by guessing its id.
      concurrencyKey: `session:${job.client}:${input.session_id ?? job.id}`,
      // Without a route for `cancelled` the job ends as cancelled.
      on: { success: 'completed', failure: 'failed', [PARKED]: 'parked' },
    })
  })
  .state('parked', { to: ['turn', 'woken', 'expired'] }, ({ last, waitForEvent, sleepUntil }) => {
    const { reason, until, timeout_ms } = parkedData.parse(last?.data)
    if (reason === 'rate_limit') return sleepUntil(until ?? 0, { to: 'turn' })
    return waitForEvent({
      name: WOKEN,
      on: { event: 'woken', timeout: 'expired' },
      ...(timeout_ms === null ? {} : { timeout: timeout_ms }),
    })
  })
  .state('woken', { to: ['turn', 'expired'] }, ({ last, goTo }) =>
    goTo(wokenData.parse(last?.data).expired ? 'expired' : 'turn'),
  )
  .state('expired', { to: [] }, ({ fail }) => fail('nobody answered in time', 'QUESTION_EXPIRED'))
  .end('completed', ({ last }) => last?.data ?? null)
  .end('failed', { outcome: 'failed' })
