/** Follows one turn of a session to its end, and has what it asks answered on the way. */
import type { Workbench } from '@tutti/client'
import type { RunView, SessionFrame, UserInputRequestView } from '@tutti/contracts'
import { isCode } from '../faults.ts'
import type { Answerer } from './ask.ts'

export interface FollowOptions {
  sessionId: string
  /** Of a message that waits for its turn: the id of its queue item, which becomes the run's. */
  runId: string
  /** Whether it was put into the queue. */
  queued: boolean
  /** Lines after this one. */
  since: number
  answerer: Answerer
  show(frame: SessionFrame): void
  /** Before somebody is asked. */
  asked(request: UserInputRequestView): void
  /** Aborted, nothing is read any more. */
  signal: AbortSignal
}

export type FollowEnd =
  | { kind: 'ended'; run: RunView }
  /** It waits for an answer that nobody here can give. */
  | { kind: 'waits'; requests: UserInputRequestView[] }
  /** The message did not become a turn: the one before it failed, or somebody took it out of the queue. */
  | { kind: 'held'; status: 'paused' | 'canceled' }

const ends: ReadonlySet<unknown> = new Set(['completed', 'failed', 'canceled'])

/** @throws TuttiApiError; the signal's reason */
export const followRun = async (workbench: Workbench, options: FollowOptions): Promise<FollowEnd> => {
  const { sessionId, runId, answerer, signal } = options
  /** Answered here, or shown to somebody who could not. */
  const settled = new Set<string>()
  const left = new AbortController()
  const reading = AbortSignal.any([signal, left.signal])
  try {
    for await (const frame of workbench.sessions.stream(sessionId, { since: options.since, signal: reading })) {
      options.show(frame)
      const { data } = frame
      if (frame.type === 'session.status' && data.run_id === runId && ends.has(data.run_status))
        return { kind: 'ended', run: await workbench.runs.get(runId) }
      if (frame.type === 'queue.update' && options.queued) {
        const status = await heldBack(workbench, sessionId, runId)
        if (status !== undefined) return { kind: 'held', status }
      }
      if (frame.type !== 'user_input.update') continue
      // Asked anew, and not read from the frame: it may be an old one, answered long ago.
      const open = (await workbench.requests.list(sessionId)).filter((each) => each.run_id === runId)
      for (const request of open.filter(({ id }) => !settled.has(id))) {
        settled.add(request.id)
        options.asked(request)
        const answer = await answerer.answer(request, signal)
        if (answer === undefined) return { kind: 'waits', requests: open }
        await workbench.requests.answer(request.id, answer).catch(unlessAnswered)
      }
    }
  } finally {
    left.abort()
  }
  signal.throwIfAborted()
  throw new Error('the stream of the session ended by itself')
}

/** Why an item of the queue will not become a run by itself. */
const heldBack = async (
  workbench: Workbench,
  sessionId: string,
  itemId: string,
): Promise<'paused' | 'canceled' | undefined> => {
  const item = (await workbench.sessions.queue(sessionId)).find(({ queue_item_id }) => queue_item_id === itemId)
  if (item) return item.status === 'paused' ? 'paused' : undefined
  const begun = await workbench.runs.get(itemId).catch((error: unknown) => {
    if (!isCode(error, 'RUN_NOT_FOUND')) throw error
  })
  return begun ? undefined : 'canceled'
}

/** Somebody else was quicker, or it has expired: the log goes on to tell what came of it. */
const unlessAnswered = (error: unknown): void => {
  if (!isCode(error, 'REQUEST_ANSWERED') && !isCode(error, 'REQUEST_EXPIRED')) throw error
}
