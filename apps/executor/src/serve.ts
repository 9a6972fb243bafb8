/** The executor's life: one turn after another, until no more will come or the sandbox is asked to stop. */
import type { AgentRuntime } from '@tutti/agents'
import type { AgentEvent } from '@tutti/contracts'
import { backOff } from './backoff.ts'
import type { Observe } from './changes/observe.ts'
import type { Watch } from './changes/watch.ts'
import { commandsOf } from './commands.ts'
import { exitCode } from './exit.ts'
import { log } from './log.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import type { NextTurn, Relay } from './relay.ts'
import { type Checked, checkTurn } from './turn.ts'

export interface ServeDeps {
  relay: Relay
  runtimes: readonly AgentRuntime[]
  observe: Observe
  /** Aborts when the process is asked to stop. */
  stop: AbortSignal
}

/** An answer without a turn that came sooner was no long poll: asking again at once would only burn the processor. */
const shortestPollMs = 1_000
/** As if this many attempts had failed: a pause of under half a second. */
const idleAttempt = 4

const failure = (code: 'invalid_turn' | 'runtime_failed', message: string): AgentEvent => ({
  type: 'error',
  code,
  message,
  retryable: false,
})

const isLast = ({ type }: AgentEvent): boolean => type === 'done' || type === 'parked' || type === 'error'

/** Puts every event of a turn into the outbox. A runtime keeps its promise not to throw; a broken one ends its turn. */
const play = async (checked: Checked, outbox: Outbox, { relay, runtimes, observe, stop }: ServeDeps): Promise<void> => {
  if (checked.kind !== 'turn') {
    await outbox.put(failure('invalid_turn', checked.fault))
    return
  }
  const { turn } = checked
  const runtime = runtimes.find(({ name }) => name === turn.runtime)
  if (runtime === undefined) {
    await outbox.put(failure('invalid_turn', `the runtime ${turn.runtime} is not here`))
    return
  }
  const over = new AbortController()
  try {
    const signal = AbortSignal.any([stop, outbox.lost])
    const commands = commandsOf(relay, turn.run_id, AbortSignal.any([signal, over.signal]))
    await Promise.all(runtimes.map((one) => (one === runtime ? undefined : one.discard?.())))
    let changes: Watch | undefined
    // The runtime starts while the files are looked at that the turn begins with, and hears the prompt afterwards.
    const ready = observe(turn, outbox.put).then((watch) => {
      changes = watch
    })
    for await (const event of runtime.start(turn, { signal, commands, ready })) {
      if (isLast(event)) {
        await ready
        await changes?.finish()
      }
      await outbox.put(event)
      changes?.notice(event)
    }
  } catch (error) {
    await outbox.put(failure('runtime_failed', error instanceof Error ? error.message : String(error)))
  } finally {
    over.abort()
  }
}

/** Runs one turn to its end and until the relay has all of it. Returns the exit code when the executor is to end. */
const serveTurn = async (value: unknown, deps: ServeDeps): Promise<number | undefined> => {
  const checked = checkTurn(value)
  if (checked.kind === 'unknown') {
    log('error', 'the relay handed over something that is not a turn', { fault: checked.fault })
    return exitCode.failed
  }
  const { run_id, attempt } = checked.kind === 'turn' ? checked.turn : checked
  const outbox = createOutbox({
    run_id,
    attempt,
    send: deps.relay.send,
    now: Date.now,
    pause: (tries) => backOff(tries, outbox.lost),
  })
  await play(checked, outbox, deps)
  await outbox.flush()
  const reason = outbox.reason()
  if (reason === undefined) return undefined
  if (reason === 'replaced') {
    log('info', 'another attempt has taken over', { run_id, attempt })
    return exitCode.replaced
  }
  log('error', 'the relay refused the events', { run_id, attempt, status: reason.status })
  return exitCode.failed
}

/** Serves turns, beginning with what the first request (already sent) answers. Returns the process's exit code. */
export const serve = async (first: Promise<NextTurn>, deps: ServeDeps): Promise<number> => {
  const { relay, stop } = deps
  let arriving = first
  for (;;) {
    let next: NextTurn
    try {
      const asked = performance.now()
      next = await arriving
      if (next.kind === 'none' && performance.now() - asked < shortestPollMs) await backOff(idleAttempt, stop)
    } catch (error) {
      if (stop.aborted) return exitCode.done
      throw error
    }
    if (next.kind === 'gone') return exitCode.done
    if (next.kind === 'refused') {
      log('error', 'the relay refused to hand over a turn', { status: next.status })
      return exitCode.failed
    }
    const code = next.kind === 'turn' ? await serveTurn(next.turn, deps) : undefined
    if (code !== undefined) return code
    if (stop.aborted) return exitCode.done
    arriving = relay.nextTurn(stop)
  }
}
