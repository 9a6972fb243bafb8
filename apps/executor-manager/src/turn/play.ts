/** Running one turn in an open sandbox, to whichever end it comes first. */
import { setTimeout as delay } from 'node:timers/promises'
import type { SandboxExit } from '@tutti/sandbox'
import type { Halt } from '../relay/account.ts'
import type { Assignment } from '../relay/assignment.ts'
import type { FinalEvent, Intake } from '../relay/intake.ts'
import type { OpenSandbox } from '../sandbox/open.ts'

export type TurnEnd =
  /** It said so itself, and the backend has heard it. */
  | { kind: 'final'; event: FinalEvent }
  /** The sandbox ended before. */
  | { kind: 'exited'; exit: SandboxExit }
  /** The backend would not store what it said. */
  | { kind: 'refused'; message: string }
  | { kind: 'timeout' }
  /** A budget is used up, or the provider wants it to wait. */
  | { kind: 'halted'; halt: Halt }
  /** A signal ended it: the lease is lost, the run cancelled, the manager stopping. */
  | { kind: 'stopped' }

export interface PlayOptions extends Assignment {
  timeoutMs: number
  /** How long the agent may take to end by itself once a budget is used up. */
  haltGraceMs: number
  stop: AbortSignal
}

export const playTurn = async (sandbox: OpenSandbox, options: PlayOptions): Promise<TurnEnd> => {
  const { timeoutMs, haltGraceMs, stop, ...assignment } = options
  const { intake, account } = assignment
  const early = Promise.withResolvers<TurnEnd>()
  const onStop = (): void => early.resolve({ kind: 'stopped' })
  const timer = setTimeout(() => early.resolve({ kind: 'timeout' }), timeoutMs)
  stop.addEventListener('abort', onStop, { once: true })
  if (stop.aborted) onStop()
  else {
    account.work()
    sandbox.relay.assign(assignment)
  }
  try {
    const end = await Promise.race([
      early.promise,
      intake.final.then((event): TurnEnd => ({ kind: 'final', event })),
      intake.refused.then((message): TurnEnd => ({ kind: 'refused', message })),
      endOf(sandbox, intake),
      account.halted.then((halt) => haltOf(halt, intake, options.haltGraceMs)),
    ])
    const halt = account.halt()
    // What the agent made of the refusal is not why the turn ended.
    return halt !== undefined && end.kind !== 'stopped' ? { kind: 'halted', halt } : end
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
    sandbox.relay.withdraw()
  }
}

/** With a budget used up the agent is told so, and may say its last words; with a rate limit it waits for an answer. */
const haltOf = async (halt: Halt, intake: Intake, graceMs: number): Promise<TurnEnd> => {
  const enough = new AbortController()
  const grace = halt.kind === 'budget' ? graceMs : 0
  await Promise.race([intake.final, delay(grace, undefined, { signal: enough.signal })])
  enough.abort()
  return { kind: 'halted', halt }
}

/** What it handed over before it ended may still be on its way to the backend, and the turn's end may be in it. */
const endOf = async (sandbox: OpenSandbox, intake: Intake): Promise<TurnEnd> => {
  const exit = await sandbox.exited
  await intake.idle()
  const none = Symbol()
  const event = await Promise.race([intake.final, Promise.resolve(none)])
  return typeof event === 'symbol' ? { kind: 'exited', exit } : { kind: 'final', event }
}
