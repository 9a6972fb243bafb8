import { type SessionUsage, TuttiError, type UsageAnalytics, type UsageView } from '@tutti/contracts'
import { DateTime, IANAZone } from 'luxon'
import type { Queryable } from '../database/database.ts'
import { usageSums } from '../session/usage.ts'
import { readSession } from './sessions.ts'

/** All that the session's turns have used, those taken back included. @throws TuttiError SESSION_NOT_FOUND */
export const readUsage = async (database: Queryable, userId: string, sessionId: string): Promise<SessionUsage> => {
  await readSession(database, userId, sessionId)
  const [total] = await database.query<UsageView>(
    `select ${usageSums} from workbench.usage_logs where session_id = $1`,
    [sessionId],
  )
  const usage = total ?? {}
  return { total_duration_ms: total?.duration_ms ?? 0, usage_json: { ...usage } }
}

export interface AnalyticsRequest {
  /** `YYYY-MM`; this month where nothing is said. */
  month?: string | undefined
  /** `YYYY-MM-DD`; the month's last day with usage where nothing is said. */
  day?: string | undefined
  timezone: string
}

/**
 * What a user's turns have used: in all, per day of a month, per hour of a day, each in the time zone of the asker. A day on which
 * the clocks change has 23 or 25 hours.
 * @throws TuttiError INVALID_QUERY with the path of the fault
 */
export const readAnalytics = async (
  database: Queryable,
  userId: string,
  { month, day, timezone: zone }: AnalyticsRequest,
): Promise<UsageAnalytics> => {
  if (!IANAZone.isValidZone(zone)) throw fault('timezone', 'not a time zone; use an IANA name like Europe/Vienna')
  const from = month === undefined ? DateTime.now().setZone(zone).startOf('month') : DateTime.fromISO(month, { zone })
  if (!from.isValid) throw fault('month', 'not a month')
  const to = from.plus({ months: 1 })
  const days = await buckets(database, userId, { from, to, unit: 'day', zone })
  const shown =
    day === undefined
      ? (days.findLast((bucket) => bucket.runs > 0)?.bucket ?? from.toISODate())
      : DateTime.fromISO(day, { zone }).toISODate()
  if (shown === null) throw fault('day', 'not a day')
  const start = DateTime.fromISO(shown, { zone })
  if (start < from || start >= to) throw fault('day', 'not in the month')
  const hours = await buckets(database, userId, { from: start, to: start.plus({ days: 1 }), unit: 'hour', zone })
  const [all] = await database.query<Totals>(
    `select ${totals} from workbench.usage_logs where user_id = $1 and include_in_user_analytics`,
    [userId],
  )
  return {
    timezone: zone,
    month: from.toFormat('yyyy-MM'),
    day: shown,
    summary: { month: sum(days), day: sum(hours), all_time: all ?? sum([]) },
    month_view: { buckets: days },
    day_view: { buckets: hours },
  }
}

const fault = (field: string, message: string): TuttiError =>
  new TuttiError('INVALID_QUERY', `query.${field}: ${message}`, { path: `query.${field}` })

type Totals = UsageAnalytics['summary']['month']
type Bucket = UsageAnalytics['month_view']['buckets'][number]

const totals = `${usageSums}, count(distinct run_id) as runs`

interface Span {
  from: DateTime
  to: DateTime
  unit: 'day' | 'hour'
  zone: string
}

/** Every bucket of the span, the empty ones too. Hours are counted as instants: of an hour that comes twice each has its own. */
const buckets = async (database: Queryable, userId: string, { from, to, unit, zone }: Span): Promise<Bucket[]> => {
  const start =
    unit === 'day'
      ? `date_trunc('day', created_at at time zone $4) at time zone $4`
      : `date_trunc('hour', created_at, $4)`
  const rows = await database.query<Totals & { start: Date }>(
    `select ${start} as start, ${totals} from workbench.usage_logs
     where user_id = $1 and include_in_user_analytics and created_at >= $2 and created_at < $3
     group by 1`,
    [userId, from.toJSDate(), to.toJSDate(), zone],
  )
  const found = new Map(rows.map(({ start, ...row }) => [start.getTime(), row]))
  const all: Bucket[] = []
  for (let at = from; at < to; at = at.plus(unit === 'day' ? { days: 1 } : { hours: 1 })) {
    const bucket = unit === 'day' ? at.toISODate() : at.toISO({ suppressMilliseconds: true })
    all.push({ bucket: bucket ?? '', ...(found.get(at.toMillis()) ?? sum([])) })
  }
  return all
}

const sum = (parts: readonly Totals[]): Totals => {
  const add = (name: keyof Totals): number => parts.reduce((total, part) => total + part[name], 0)
  return {
    input_tokens: add('input_tokens'),
    output_tokens: add('output_tokens'),
    cache_creation_input_tokens: add('cache_creation_input_tokens'),
    cache_read_input_tokens: add('cache_read_input_tokens'),
    cost_usd: add('cost_usd'),
    duration_ms: add('duration_ms'),
    runs: add('runs'),
  }
}
