/** Makes this worker known, and known again after the orchestrator has forgotten it. */
import type { Backoff, RegisterWorker } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { WorkerRejectedError } from './errors.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import { type Wire, WireError } from './wire.ts'

export interface Registration {
  /** Tries until it is done or the worker stops; throws only WorkerRejectedError. One at a time, however many ask. */
  register(): Promise<void>
  heartbeatMs(): number
}

export interface RegistrationOptions {
  wire: Wire
  body: RegisterWorker
  clock: Clock
  backoff: Backoff
  log: WorkerLog
  signal: AbortSignal
}

/** What an answer says about this worker itself: no retry would change it. */
export const asRejection = (
  error: unknown,
  statuses: readonly number[] = [401, 403],
): WorkerRejectedError | undefined =>
  error instanceof WireError && statuses.includes(error.status)
    ? new WorkerRejectedError(
        error.status,
        error.status === 401
          ? `The orchestrator doesn’t accept this worker’s token. Check WORKER_TOKEN or WORKER_INDIVIDUAL_TOKEN. ${error.message}`
          : `The orchestrator refuses this worker. ${error.message}`,
      )
    : undefined

export const createRegistration = ({ wire, body, clock, backoff, log, signal }: RegistrationOptions): Registration => {
  let heartbeatMs = 15_000
  let current: Promise<void> | undefined

  const attempt = async () => {
    while (!signal.aborted) {
      try {
        const answer = await wire.register(body, signal)
        heartbeatMs = answer.heartbeat_seconds * 1000
        backoff.reset()
        if (answer.warning !== null) log.warn({ warning: answer.warning }, 'the orchestrator warns')
        log.info({ worker_id: body.worker_id, version: answer.version }, 'registered')
        return
      } catch (error) {
        if (signal.aborted) return
        const rejection = asRejection(error, [400, 401, 403])
        if (rejection !== undefined) throw rejection
        log.warn({ error: errorMessage(error) }, 'not registered yet')
        await clock.sleep(backoff.next(error instanceof WireError ? error.retryAfterMs : undefined), signal)
      }
    }
  }

  return {
    register: () => {
      current ??= attempt().finally(() => {
        current = undefined
      })
      return current
    },
    heartbeatMs: () => heartbeatMs,
  }
}
