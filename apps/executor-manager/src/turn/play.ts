/** Running one turn in an open sandbox, to whichever end it comes first. */
import type { Turn } from '@tutti/contracts'
import type { SandboxExit } from '@tutti/sandbox'
import type { CommandSource, StoreScreenshot } from '../relay/assignment.ts'
import type { FinalEvent, Intake } from '../relay/intake.ts'
import type { Meter } from '../relay/usage.ts'
import type { OpenSandbox } from '../sandbox/open.ts'

export type TurnEnd =
  /** It said so itself, and the backend has heard it. */
  | { kind: 'final'; event: FinalEvent }
  /** The sandbox ended before. */
  | { kind: 'exited'; exit: SandboxExit }
  /** The backend would not store what it said. */
  | { kind: 'refused'; message: string }
  | { kind: 'timeout' }
  /** A signal ended it: the lease is lost, the run cancelled, the manager stopping. */
  | { kind: 'stopped' }

export interface PlayOptions {
  turn: Turn
  intake: Intake
  meter: Meter
  commands?: CommandSource
  screenshot?: StoreScreenshot
  timeoutMs: number
  stop: AbortSignal
}

export const playTurn = async (sandbox: OpenSandbox, options: PlayOptions): Promise<TurnEnd> => {
  const { timeoutMs, stop, ...assignment } = options
  const { intake } = assignment
  const early = Promise.withResolvers<TurnEnd>()
  const onStop = (): void => early.resolve({ kind: 'stopped' })
  const timer = setTimeout(() => early.resolve({ kind: 'timeout' }), timeoutMs)
  stop.addEventListener('abort', onStop, { once: true })
  if (stop.aborted) onStop()
  else sandbox.relay.assign(assignment)
  try {
    return await Promise.race([
      early.promise,
      intake.final.then((event): TurnEnd => ({ kind: 'final', event })),
      intake.refused.then((message): TurnEnd => ({ kind: 'refused', message })),
      endOf(sandbox, intake),
    ])
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
    sandbox.relay.withdraw()
  }
}

/** What it handed over before it ended may still be on its way to the backend, and the turn's end may be in it. */
const endOf = async (sandbox: OpenSandbox, intake: Intake): Promise<TurnEnd> => {
  const exit = await sandbox.exited
  await intake.idle()
  const none = Symbol()
  const event = await Promise.race([intake.final, Promise.resolve(none)])
  return typeof event === 'symbol' ? { kind: 'exited', exit } : { kind: 'final', event }
}
