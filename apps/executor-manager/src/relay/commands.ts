/** Handing what was said to the turn to the executor that plays it. */
import type { ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { TurnCommand } from '@tutti/contracts'
import type { Assignment } from './assignment.ts'

export interface CommandDesk {
  /** Answers an executor: the commands behind a number, or nothing after a while; 410 where its turn is over. */
  next(response: ServerResponse, runId: string, after: number): Promise<void>
  offer(assignment: Assignment): void
  /** The turn is over: whoever waits is told. */
  clear(): void
}

export const createCommandDesk = (pollMs: number): CommandDesk => {
  let open: { assignment: Assignment; over: AbortController } | undefined

  const clear = (): void => {
    open?.over.abort()
    open = undefined
  }

  const next = async (response: ServerResponse, runId: string, after: number): Promise<void> => {
    if (open === undefined || open.assignment.turn.run_id !== runId) {
      response.writeHead(410).end()
      return
    }
    const { assignment, over } = open
    const hungUp = new AbortController()
    response.on('close', () => hungUp.abort())
    const answered = AbortSignal.any([over.signal, hungUp.signal])
    const commands = await waitFor(assignment, after, pollMs, answered)
    if (hungUp.signal.aborted) return
    if (over.signal.aborted) response.writeHead(410).end()
    else if (commands.length === 0) response.writeHead(204).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ commands }))
  }

  return {
    next,
    offer: (assignment) => {
      clear()
      open = { assignment, over: new AbortController() }
    },
    clear,
  }
}

const waitFor = async (
  { commands }: Assignment,
  after: number,
  pollMs: number,
  signal: AbortSignal,
): Promise<TurnCommand[]> => {
  const enough = new AbortController()
  const given = AbortSignal.any([signal, enough.signal])
  const nothing = (error: unknown): TurnCommand[] => {
    if (given.aborted) return []
    throw error
  }
  try {
    const patience = setTimeout(pollMs, [], { signal: given }).catch(nothing)
    return await (commands === undefined
      ? patience
      : Promise.race([commands.after(after, given).catch(nothing), patience]))
  } finally {
    enough.abort()
  }
}
