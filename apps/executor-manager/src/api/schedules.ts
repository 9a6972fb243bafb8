import type { PullRule, PullSchedule, WindowRule } from '@tutti/config'
import type { PullRuleView, PullSchedules } from '@tutti/contracts'
import { closesAt, isOpen, opensAt } from '../claim/schedule.ts'

/** The rules as their operator wrote them, with what they mean at this instant. */
export const viewSchedules = (schedule: PullSchedule, now: number, boot: number): PullSchedules => ({
  enabled: schedule.enabled,
  rules: schedule.rules.map((rule) => viewRule(rule, now, boot, schedule.enabled)),
})

const viewRule = (rule: PullRule, now: number, boot: number, counts: boolean): PullRuleView => {
  const { id, kind, enabled, modes } = rule
  const open = counts && isOpen(rule, now, boot)
  const base = { id, kind, enabled, schedule_modes: modes, open }
  if (rule.kind === 'interval') {
    const { everySeconds: seconds, startImmediately: start_immediately } = rule
    const begins = boot + (start_immediately ? 0 : seconds * 1000)
    const next_run_time = counts && enabled && begins > now ? isoOf(begins) : null
    return {
      ...{ ...base, seconds, start_immediately },
      jobs: [{ job_id: `pull-${id}`, trigger: `interval of ${seconds} s`, next_run_time }],
    }
  }
  return { ...base, ...viewWindow(rule, now, counts && enabled) }
}

const viewWindow = (
  rule: WindowRule,
  now: number,
  counts: boolean,
): Omit<PullRuleView, 'id' | 'kind' | 'enabled' | 'schedule_modes' | 'open'> => {
  const fields = Object.entries(rule.cron)
    .filter(([field]) => field !== 'timezone')
    .map(([field, value]) => `${field}=${value}`)
  const next = counts ? opensAt(rule, now) : null
  const closes = counts ? closesAt(rule, now) : null
  return {
    ...{ cron: rule.cron, timezone: rule.timeZone, window_minutes: rule.windowMinutes },
    ...{ poll_interval_seconds: rule.everySeconds, closes_at: closes === null ? null : isoOf(closes) },
    jobs: [
      {
        job_id: `pull-${rule.id}-open`,
        trigger: `cron ${fields.join(' ')} (${rule.timeZone})`,
        next_run_time: next === null ? null : isoOf(next),
      },
    ],
  }
}

const isoOf = (instant: number): string => new Date(instant).toISOString()
