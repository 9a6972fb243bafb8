/** What a work function tells in the middle of its task, besides progress. In order, and each once however often it is sent. */
import { randomUUID } from 'node:crypto'
import type { Backoff, JsonObject, TaskPayload, WorkerEvent } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { ContractViolationError } from './errors.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import { describeIssue, type Schema } from './schema.ts'
import { WireError } from './wire.ts'

export interface Events {
  send(type: string, payload?: JsonObject): Promise<void>
  /** Resolves when nothing is on its way any more. */
  idle(): Promise<void>
}

export interface EventsOptions {
  payload: Pick<TaskPayload, 'job_id' | 'task_id'>
  /** By type, where the skill declares what it tells. */
  schemas: Readonly<Record<string, Schema<unknown>>> | undefined
  /** Else what doesn’t fit is sent all the same, and told to the log. */
  strict: boolean
  send: (event: WorkerEvent, signal: AbortSignal) => Promise<void>
  clock: Clock
  backoff: Backoff
  log: WorkerLog
  signal: AbortSignal
}

const tries = 5

export const createEvents = (options: EventsOptions): Events => {
  const { payload: task, schemas, strict, clock, backoff, log, signal } = options
  let last: Promise<unknown> = Promise.resolve()

  const check = async (type: string, payload: JsonObject): Promise<void> => {
    if (schemas === undefined) return
    const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined
    const checked = await schema?.['~standard'].validate(payload)
    if (checked !== undefined && checked.issues === undefined) return
    const why =
      checked?.issues?.map((issue) => describeIssue(issue, 'payload')).join('; ') ?? 'the skill declares no such event'
    if (strict) throw new ContractViolationError(`The event ${type}: ${why}`)
    log.warn({ task_id: task.task_id, event: type, why }, 'an event is not as declared')
  }

  const deliver = async (event: WorkerEvent): Promise<void> => {
    for (let tried = 1; ; tried += 1) {
      signal.throwIfAborted()
      try {
        return await options.send(event, signal)
      } catch (error) {
        const status = error instanceof WireError ? error.status : 0
        const final = status >= 400 && status < 500 && status !== 429
        if (final || tried === tries) throw error
        log.warn({ task_id: task.task_id, error: errorMessage(error) }, 'event not delivered yet')
        await clock.sleep(backoff.next(error instanceof WireError ? error.retryAfterMs : undefined), signal)
      }
    }
  }

  return {
    send: (type, payload = {}) => {
      const event = {
        event_id: randomUUID(),
        event_type: type,
        payload,
        target_job_id: task.job_id,
        target_task_id: task.task_id,
      }
      const told = last.then(async () => {
        await check(type, payload)
        await deliver(event)
      })
      // Also so that one that nobody waits for doesn’t end the process by its failure.
      last = told.catch(() => {})
      return told
    },
    idle: async () => {
      await last
    },
  }
}
