/** Results on their way to the orchestrator: sent in batches, kept until they are answered. */
import type { Backoff, ResultBatchAnswer, TaskPayload } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import { errorMessage, type WorkerLog } from './log.ts'
import { failed } from './run-task.ts'
import type { Slots } from './slots.ts'
import type { Finished } from './tasks.ts'
import { createWakeup } from './wakeup.ts'
import { WireError } from './wire.ts'

export interface Outbox {
  add(finished: Finished): void
  /** The task is somebody else's now. With a lease token: only if the result was made under it. */
  drop(taskId: string, leaseToken?: string): void
  /** Task id → lease token: kept alive until delivered, or an outage longer than a lease would do the work twice. */
  held(): Map<string, string>
  count(): number
  /** Sends until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void>
}

export interface OutboxOptions {
  workerId: string
  send: (body: string, signal: AbortSignal) => Promise<ResultBatchAnswer>
  slots: Slots
  clock: Clock
  backoff: Backoff
  log: WorkerLog
  /** False while the worker drains: then results don't ask for more work. */
  wantsTasks: () => boolean
  onTasks: (tasks: TaskPayload[], reserved: number) => void
  onTrouble: (error: unknown) => Promise<void>
  onGone: () => void
  /** Times that a result is sent again before it is given up; undefined: until its deadline has passed. */
  mostRetries?: number | undefined
}

interface Entry extends Finished {
  sent: boolean
  failures: number
  /** Its data was refused; a failure goes in its place. */
  replaced: boolean
}

const maxResults = 1000
const maxChars = 1_000_000

/**
 * The orchestrator itself says that it can't take what is in the body; the answer would be the same next time.
 * Any other refusal may come from something in between, and giving up a result for that would lose finished work.
 */
const isAboutTheBody = (error: unknown): error is WireError =>
  error instanceof WireError &&
  (error.status === 413 || error.code === 'INVALID_BODY' || error.code === 'PAYLOAD_TOO_LARGE')

export const createOutbox = (options: OutboxOptions): Outbox => {
  const { workerId, send, slots, clock, backoff, log, wantsTasks, onTasks, onTrouble, onGone } = options
  const queue = new Set<Entry>()
  const wakeup = createWakeup()
  let limit = maxResults

  const markSent = (entries: Entry[]) => {
    slots.firstSent(entries.filter(({ sent }) => !sent).length)
    for (const entry of entries) entry.sent = true
  }

  const remove = (entry: Entry) => {
    if (!queue.delete(entry)) return
    markSent([entry])
    slots.resultGone()
    onGone()
  }

  const takeBatch = (): Entry[] => {
    const batch: Entry[] = []
    let chars = 0
    for (const entry of queue) {
      chars += entry.answer.body.length
      if (batch.length > 0 && (chars > maxChars || batch.length >= limit)) break
      batch.push(entry)
    }
    return batch
  }

  const deliver = async (batch: Entry[], reserved: number, signal: AbortSignal) => {
    const results = batch.map(({ answer }) => answer.body).join(',')
    const answer = await send(
      `{"worker_id":${JSON.stringify(workerId)},"results":[${results}],"next":${reserved}}`,
      signal,
    )
    if (answer.results.length !== batch.length) throw new Error('the answer counts other results than were sent')
    for (const [index, entry] of batch.entries()) {
      const said = answer.results[index]
      // Final as well: somebody else's result or the end of the job came first.
      if (said?.status === 'ignored')
        log.warn({ task_id: entry.payload.task_id, reason: said.reason }, 'result ignored')
    }
    onTasks(answer.tasks, reserved)
    for (const entry of batch) remove(entry)
  }

  /** One result that can't be read must not hold back all others for ever: look for it by halves, then replace it. */
  const isolate = (batch: Entry[], error: WireError) => {
    const [entry] = batch
    if (entry === undefined) return
    if (batch.length > 1) {
      limit = Math.ceil(batch.length / 2)
      return
    }
    const about = { task_id: entry.payload.task_id, error: error.message }
    if (entry.replaced) {
      log.error(about, 'result given up: even its failure was refused')
      return remove(entry)
    }
    log.error(about, 'result refused: a failure is sent in its place')
    const message = `The result was refused: ${error.message}`.slice(0, 1000)
    entry.answer = failed(entry.payload, 'PERMANENT_ERROR', message, 0)
    entry.replaced = true
  }

  const giveUp = (batch: Entry[]) => {
    for (const entry of batch) {
      entry.failures += 1
      if (options.mostRetries !== undefined && entry.failures > options.mostRetries) {
        log.error({ task_id: entry.payload.task_id }, 'result given up: it could not be delivered')
        remove(entry)
        continue
      }
      if (entry.deadlineMs === null || clock.now() < entry.deadlineMs) continue
      log.warn({ task_id: entry.payload.task_id }, 'result given up: its deadline passed before it could be delivered')
      remove(entry)
    }
  }

  return {
    add: (finished) => {
      queue.add({ ...finished, sent: false, failures: 0, replaced: false })
      wakeup.wake()
    },
    drop: (taskId, leaseToken) => {
      for (const entry of queue) {
        const { task_id, lease_token } = entry.payload
        if (task_id === taskId && (leaseToken === undefined || leaseToken === lease_token)) remove(entry)
      }
    },
    held: () => new Map(queue.values().map(({ payload }) => [payload.task_id, payload.lease_token])),
    count: () => queue.size,
    run: async (signal) => {
      let retrying = false
      while (!signal.aborted) {
        const batch = takeBatch()
        if (batch.length === 0) {
          await wakeup.wait(signal)
          continue
        }
        markSent(batch)
        // A retry asks for no tasks: if only the answers get lost, each would carry tasks away with it.
        const reserved = retrying || !wantsTasks() ? 0 : slots.reserve(maxResults)
        try {
          await deliver(batch, reserved, signal)
          backoff.reset()
          retrying = false
          limit = Math.min(maxResults, limit * 2)
        } catch (error) {
          slots.settle(reserved, 0)
          if (signal.aborted) return
          if (isAboutTheBody(error)) {
            isolate(batch, error)
            continue
          }
          retrying = true
          log.warn({ results: batch.length, error: errorMessage(error) }, 'results not delivered yet')
          await onTrouble(error)
          await clock.sleep(backoff.next(error instanceof WireError ? error.retryAfterMs : undefined), signal)
          giveUp(batch)
        }
      }
    },
  }
}
