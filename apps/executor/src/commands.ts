/** What is said to the turn while it runs, asked of the relay over and over: each command once, in the order of its number. */
import type { TurnCommand } from '@tutti/contracts'
import { backOff } from './backoff.ts'
import type { Relay } from './relay.ts'

/** An answer without a command that came sooner was no long poll: asking again at once would only burn the processor. */
const shortestPollMs = 1_000
/** As if this many attempts had failed: a pause of under half a second. */
const idleAttempt = 4

/** Ends with the turn, or when the signal aborts; throws nothing. */
export async function* commandsOf(relay: Relay, runId: string, signal: AbortSignal): AsyncGenerator<TurnCommand> {
  let last = 0
  try {
    for (;;) {
      const asked = performance.now()
      const next = await relay.commands(runId, last, signal)
      if (next.kind === 'over' || next.kind === 'refused') return
      const fresh = next.kind === 'commands' ? next.commands.map(checkCommand).filter((one) => one !== undefined) : []
      for (const command of fresh) {
        if (command.n <= last) continue
        last = command.n
        yield command
      }
      if (fresh.length === 0 && performance.now() - asked < shortestPollMs) await backOff(idleAttempt, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** By hand for the same reason as the turn: see there. What is no command is passed over. */
const checkCommand = (value: unknown): TurnCommand | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  const { n, type, id, text }: Record<string, unknown> = { ...value }
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 1) return undefined
  if (type === 'interrupt') return { n, type }
  return type === 'message' && typeof id === 'string' && typeof text === 'string' && text !== ''
    ? { n, type, id, text }
    : undefined
}
