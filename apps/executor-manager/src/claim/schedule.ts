/**
 * Which modes of run are taken at an instant. Pure, and without memory: whether a window is open is calculated from its rule,
 * so a manager that starts in the middle of the night knows it, and no clock has to have struck while it ran.
 *
 * A window opens by the clock on the wall and stays open for real minutes. On days with a change of the clock: an instant that does not
 * exist is the first one after the gap, one that exists twice is its first occurrence.
 */
import type { PullRule, PullSchedule, WindowRule } from '@tutti/config'
import type { ScheduleMode } from '@tutti/contracts'
import { Cron } from 'croner'

/** When this process began to take runs, in milliseconds since the epoch: rules may begin some time after it. */
type Boot = number

/** In the order of the rules, each once. */
export const openModes = ({ enabled, rules }: PullSchedule, now: number, boot: Boot): ScheduleMode[] =>
  enabled ? [...new Set(rules.filter((rule) => isOpen(rule, now, boot)).flatMap(({ modes }) => modes))] : []

/** Before this instant nothing opens and nothing closes; null: nothing ever will. */
export const nextChange = ({ enabled, rules }: PullSchedule, now: number, boot: Boot): number | null => {
  if (!enabled) return null
  const changes = rules
    .filter((rule) => rule.enabled)
    .map((rule) => {
      if (rule.kind === 'interval') return beginOf(rule, boot) > now ? beginOf(rule, boot) : null
      return closesAt(rule, now) ?? opensAt(rule, now)
    })
    .filter((instant) => instant !== null)
  return changes.length === 0 ? null : Math.min(...changes)
}

/** How long to wait after a request that failed: as the open rule wants that is asked most often; null: none is open. */
export const pauseSeconds = ({ enabled, rules }: PullSchedule, now: number, boot: Boot): number | null => {
  const open = enabled ? rules.filter((rule) => isOpen(rule, now, boot)) : []
  return open.length === 0 ? null : Math.min(...open.map(({ everySeconds }) => everySeconds))
}

export const isOpen = (rule: PullRule, now: number, boot: Boot): boolean =>
  rule.enabled && (rule.kind === 'interval' ? beginOf(rule, boot) <= now : closesAt(rule, now) !== null)

/** When the window opens next. */
export const opensAt = (rule: WindowRule, now: number): number | null =>
  cronOf(rule).nextRun(new Date(now))?.getTime() ?? null

/** The end of the window that is open, should it not open again before; null: it is closed. */
export const closesAt = (rule: WindowRule, now: number): number | null => {
  // What croner is asked for lies before a whole second: with one to come, the present one counts as past.
  const latest = cronOf(rule)
    .previousRuns(2, new Date(now + 1000))
    .find((instant) => instant.getTime() <= now)
  if (latest === undefined) return null
  const end = latest.getTime() + rule.windowMinutes * 60_000
  return end > now ? end : null
}

const beginOf = (rule: PullRule & { kind: 'interval' }, boot: Boot): number =>
  boot + (rule.startImmediately ? 0 : rule.everySeconds * 1000)

/** Paused: it only calculates. */
const cronOf = ({ pattern, timeZone }: WindowRule): Cron =>
  new Cron(pattern, { timezone: timeZone, paused: true, domAndDow: true })
