/** What the backend is told of a turn's end. Pure: every promise about ends can be read off it. */
import type { FinishRun } from '@tutti/contracts'
import type { SandboxExit } from '@tutti/sandbox'
import { RunFault } from '../fault.ts'
import type { Spent } from '../relay/usage.ts'
import type { TurnEnd } from '../turn/play.ts'

export type Verdict = Pick<FinishRun, 'outcome' | 'error' | 'result' | 'output' | 'usage' | 'park'>

/** With what became of the files. */
export type RunEnd = Verdict & Pick<FinishRun, 'export'>

export interface Spending {
  /** What passed the relay: stands in where the runtime told no sum of its own. */
  spent: Spent
  durationMs: number
}

export const verdictOf = (end: Exclude<TurnEnd, { kind: 'stopped' }>, spending: Spending): Verdict => {
  const duration_ms = Math.round(spending.durationMs)
  const counted = { ...spending.spent, duration_ms }
  if (end.kind === 'halted' && end.halt.kind === 'rate_limit')
    return { outcome: 'parked', park: { reason: 'rate_limit', until: end.halt.until }, usage: counted }
  if (end.kind !== 'final') return { ...failed(faultOf(end)), usage: counted }
  const { event } = end
  if (event.type === 'done') {
    const { usage, cost_usd, result, output } = event
    const answer = output === undefined ? { result } : { result, output }
    return { outcome: 'completed', ...answer, usage: { ...usage, cost_usd, duration_ms: event.duration_ms } }
  }
  if (event.type === 'parked') {
    const { reason, until, usage, cost_usd } = event
    return { outcome: 'parked', park: { reason, until }, usage: { ...usage, cost_usd, duration_ms: event.duration_ms } }
  }
  const { code, message, retryable } = event
  const usage =
    event.usage === undefined ? counted : { ...event.usage, cost_usd: event.cost_usd ?? counted.cost_usd, duration_ms }
  // Somebody wanted it so: nothing has failed, and the session goes on with its next message.
  if (code === 'interrupted') return { outcome: 'canceled', error: { code, message, retryable: false }, usage }
  return { outcome: 'failed', error: { code, message, retryable }, usage }
}

export const failed = ({ code, message, retryable }: RunFault): Verdict => ({
  outcome: 'failed',
  error: { code, message, retryable },
})

const faultOf = (end: Exclude<TurnEnd, { kind: 'stopped' | 'final' }>): RunFault => {
  if (end.kind === 'exited') return exitFault(end.exit)
  if (end.kind === 'halted') {
    // Not tried again: the next attempt counts against the same budget.
    const message = end.halt.kind === 'budget' ? end.halt.refusal.message : 'the provider limits the rate'
    return new RunFault('BUDGET_EXCEEDED', message)
  }
  if (end.kind === 'refused') {
    return new RunFault('EVENTS_REFUSED', `The events of the turn could not be stored: ${end.message}`, {
      retryable: true,
    })
  }
  // Not tried again: the next attempt would take as long, and the limit is for the run, not for an attempt.
  return new RunFault('RUN_TIMEOUT', 'The turn took longer than RUN_TIMEOUT_SECONDS and was stopped')
}

/** The executor ended without telling the turn's end. Another attempt may fare better: it continues in the workspace. */
const exitFault = ({ reason, code, signal }: SandboxExit): RunFault => {
  const retryable = { retryable: true }
  if (reason === 'memory') return new RunFault('SANDBOX_MEMORY', 'The sandbox used more memory than it may', retryable)
  if (reason === 'processes')
    return new RunFault('SANDBOX_PROCESSES', 'The sandbox started too many processes', retryable)
  if (reason === 'disk') return new RunFault('SANDBOX_DISK', 'The workspace grew larger than it may', retryable)
  if (reason === 'time') return new RunFault('SANDBOX_TIME', 'The sandbox used more time than it may', retryable)
  if (reason === 'killed') return new RunFault('SANDBOX_KILLED', 'The sandbox was ended from outside', retryable)
  const how = signal === null ? `with code ${code}` : `by ${signal}`
  return new RunFault('EXECUTOR_EXITED', `The executor ended ${how} before the turn was over`, retryable)
}
