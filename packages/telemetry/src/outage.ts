/**
 * While something is away that everything needs, each request and each loop fails for the same reason, and a log that told each would bury
 * the reason under hundreds of stacks. So it is told once when it goes, and once when it is back: for how long, and what failed meanwhile.
 */
import type { LogFields, Logger, LogMethod } from './logger.ts'

export interface Outage {
  /** The same log. While the part is away, lines whose `err` says so are DEBUG, and counted; all others are written as ever. */
  log: Logger
  /**
   * For the loss of a connection, which alone refuses nobody: a WARNING each, when the part goes. While it is known to be away, each try to get one
   * back would say it again, at DEBUG.
   */
  tellLost(message: string): (err: unknown) => void
  /** Nobody looks any more whether the part is back. */
  stop(): void
}

export interface OutageOptions {
  /** What may go away, in words for an operator. */
  part: string
  /** Whether this error says that it is away. */
  isAway: (error: unknown) => boolean
  /** Fails while it is away; it is asked then only. */
  probe: () => Promise<unknown>
  log: Logger
  /** Between two looks; so one that comes and goes is told of this often at most. */
  everyMs?: number
}

interface Away {
  since: number
  /** By what the lines say. */
  failures: Map<string, number>
  timer: NodeJS.Timeout
}

export const createOutage = ({ part, isAway, probe, log, everyMs = 1_000 }: OutageOptions): Outage => {
  let away: Away | undefined
  let stopped = false

  const look = async (): Promise<void> => {
    try {
      await probe()
      if (!stopped) tellBack()
    } catch {
      // What is wrong with it was told. Never two looks at once: one that gets no answer holds a connection.
      if (!stopped) away?.timer.refresh()
    }
  }
  const tellBack = (): void => {
    if (away === undefined) return
    const { since, failures } = away
    away = undefined
    const seconds = Number(((performance.now() - since) / 1000).toFixed(1))
    const count = [...failures.values()].reduce((sum, each) => sum + each, 0)
    log.warn(
      { away_seconds: seconds, failures: Object.fromEntries(failures) },
      `${part} is back after ${seconds} s, in which ${count} operations failed`,
    )
  }
  const tellAway = (fields: LogFields, message: string): void => {
    const timer = setTimeout(() => void look(), everyMs).unref()
    away = { since: performance.now(), failures: new Map([[message, 1]]), timer }
    log.error({ ...fields, first_failure: message }, `${part} is away: what needs it fails until it is back`)
  }

  const through = (to: Logger): Logger => {
    const method =
      (level: 'warn' | 'error'): LogMethod =>
      (fieldsOrMessage: LogFields | string, message: string = ''): void => {
        if (typeof fieldsOrMessage === 'string') to[level](fieldsOrMessage)
        else if (stopped || !isAway(fieldsOrMessage.err)) to[level](fieldsOrMessage, message)
        else if (away === undefined) tellAway(fieldsOrMessage, message)
        else {
          away.failures.set(message, (away.failures.get(message) ?? 0) + 1)
          to.debug(fieldsOrMessage, message)
        }
      }
    return {
      debug: to.debug,
      info: to.info,
      warn: method('warn'),
      error: method('error'),
      child: (bindings) => through(to.child(bindings)),
    }
  }
  return {
    log: through(log),
    tellLost: (message) => (err) => log[away === undefined ? 'warn' : 'debug']({ err }, message),
    stop: () => {
      stopped = true
      clearTimeout(away?.timer)
    },
  }
}
