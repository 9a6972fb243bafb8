/** A turn at the terminal: sent, followed, answered, interrupted, and told how it ended. */
import { TuttiApiError, type Workbench } from '@tutti/client'
import type { CreateTask, SessionFrame, UserInputRequestView } from '@tutti/contracts'
import type { StopSignals } from '../stop-signals.ts'
import { type Answerer, describeRequest } from './ask.ts'
import { type FollowEnd, followRun } from './follow.ts'
import { createSessionPrinter } from './printer.ts'

/** Of `tutti run` and of what follows a turn. */
export const exitCodes = { completed: 0, failed: 1, waits: 4, interrupted: 130 } as const

export interface TurnOutput {
  frame(frame: SessionFrame): void
  asked(request: UserInputRequestView): void
  note(text: string): void
  end(sessionId: string, end: FollowEnd): void
}

export interface Turn {
  sessionId: string
  runId: string
  queued: boolean
  /** The log's last line before it was sent. */
  since: number
}

/** Sends a message. Where the log stands is read before: no line of the turn can be missed then. */
export const sendMessage = async (workbench: Workbench, task: CreateTask): Promise<Turn> => {
  const since = task.session_id ? (await workbench.sessions.get(task.session_id)).seq : 0
  const { session_id: sessionId, run_id, queue_item_id } = await workbench.tasks.create(task)
  const runId = run_id ?? queue_item_id
  if (runId === null) throw new Error('the backend has told neither a run nor a place in the queue')
  return { sessionId, runId, queued: run_id === null, since }
}

/**
 * Follows it to its end.
 * @param onStop what the first Ctrl+C does; another one leaves at once
 * @returns the exit code
 * @throws InterruptedError where it was left
 */
export const attend = async (
  workbench: Workbench,
  turn: Turn,
  answerer: Answerer,
  output: TurnOutput,
  stop: StopSignals,
  onStop: 'interrupt' | 'leave' = 'interrupt',
): Promise<number> => {
  const left = new AbortController()
  const interrupt = async (): Promise<void> => {
    if (onStop === 'leave') return left.abort(stop.signal.reason)
    if (await interruptRun(workbench, turn)) return output.note('interrupting: Ctrl+C again leaves without waiting')
    output.note(`nothing is at work now: it stays as it is · tutti session cancel ${turn.sessionId} ends it`)
    left.abort(stop.signal.reason)
  }
  void stop.told.then(interrupt).catch((error: unknown) => left.abort(error))
  const end = await followRun(workbench, {
    ...turn,
    // A person who is about to answer may press Ctrl+C as well: nothing is at work then, and the question stays.
    answerer: { answer: (request, signal) => answerer.answer(request, AbortSignal.any([signal, stop.signal])) },
    show: output.frame,
    asked: output.asked,
    signal: left.signal,
  }).catch((error: unknown) => {
    throw stop.signal.aborted ? (left.signal.reason ?? stop.signal.reason) : error
  })
  output.end(turn.sessionId, end)
  if (stop.signal.aborted) return exitCodes.interrupted
  if (end.kind === 'waits') return exitCodes.waits
  return end.kind === 'ended' && end.run.status === 'completed' ? exitCodes.completed : exitCodes.failed
}

/** This run and no other of its session. @returns false where it is not at work */
const interruptRun = async ({ sessions }: Workbench, { sessionId, runId }: Turn): Promise<boolean> => {
  try {
    return (await sessions.interrupt(sessionId, { runId })).run_id === runId
  } catch (error) {
    if (error instanceof TuttiApiError && error.code === 'RUN_NOT_CURRENT') return false
    throw error
  }
}

export const outputForPeople = (write: (text: string) => void, note: (text: string) => void): TurnOutput => {
  const printer = createSessionPrinter(write)
  const line = (text: string): void => {
    printer.end()
    write(`${text}\n`)
  }
  return {
    frame: printer.print,
    asked: (request) => {
      for (const each of describeRequest(request)) line(each)
    },
    note: (text) => {
      printer.end()
      note(`${text}\n`)
    },
    end: (sessionId, end) => {
      printer.end()
      for (const each of lastLines(sessionId, end)) line(each)
    },
  }
}

/** A line of JSON for each frame of the log, then one of the end. */
export const outputForPrograms = (write: (text: string) => void): TurnOutput => ({
  frame: (frame) => {
    // What is shown live comes again as a message.
    if (frame.type !== 'message.chunk') write(`${JSON.stringify(frame)}\n`)
  },
  asked: () => {},
  note: () => {},
  end: (session_id, end) => write(`${JSON.stringify({ type: 'end', session_id, ...end })}\n`),
})

const lastLines = (sessionId: string, end: FollowEnd): string[] => {
  if (end.kind === 'waits')
    return ['', `waiting for an answer · session ${sessionId} · tutti session answer ${sessionId} ANSWER`]
  if (end.kind === 'held')
    return [
      '',
      end.status === 'paused'
        ? `held back, because the turn before it failed · session ${sessionId} · the next message goes on`
        : `taken out of the queue · session ${sessionId}`,
    ]
  const { usage, status, last_error } = end.run
  const used = usage
    ? ` · ${usage.input_tokens} tokens in, ${usage.output_tokens} out, $${usage.cost_usd.toFixed(4)}`
    : ''
  return ['', `${status} · session ${sessionId}${used}`, ...(last_error ? [last_error] : [])]
}
