import { type SessionUsage, TuttiError, type UsageAnalytics, type UsageView } from '@tutti/contracts'
import { DateTime, IANAZone } from 'luxon'
import type { Queryable } from '../database/database.ts'
import { readSession } from './sessions.ts'

/**
 * All that the session has used, its turns that were taken back and its title included; of a branch also what the turns used that were
 * copied into it. Those are counted under the session that they come from and nowhere else.
 * @throws TuttiError SESSION_NOT_FOUND
 */
export const readUsage = async (database: Queryable, userId: string, sessionId: string): Promise<SessionUsage> => {
  await readSession(database, userId, sessionId)
  const [total] = await database.query<UsageView>(
    `select ${sums} from workbench.spent where period = '' and (
       scope = 'session' and scope_id = $1
       or scope = 'run' and scope_id in (
         select copied_from::text from workbench.runs where session_id = $1::uuid and copied_from is not null))`,
    [sessionId],
  )
  const usage = total ?? {}
  return { total_duration_ms: total?.duration_ms ?? 0, usage_json: { ...usage } }
}

export interface AnalyticsRequest {
  /** `YYYY-MM`; this month where nothing is said. */
  month?: string | undefined
  /** `YYYY-MM-DD`; the month's last day with a run where nothing is said. */
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
    `select ${totals} from workbench.spent where scope = 'user' and scope_id = $1 and period = ''`,
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

const sums = [
  ...['input_tokens', 'output_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'].map(
    (name) => `coalesce(sum(${name}), 0)::bigint as ${name}`,
  ),
  'coalesce(sum(wall_ms), 0)::bigint as duration_ms',
  'coalesce(sum(cost_usd), 0)::float8 as cost_usd',
].join(', ')

/** A run counts where its first call began. */
const totals = `${sums}, coalesce(sum(runs), 0)::bigint as runs`

/** A sum of a quarter of an hour, by the instant at which it begins. */
const quarterStart = `(period::timestamp at time zone 'UTC')`

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
      ? `date_trunc('day', ${quarterStart} at time zone $4) at time zone $4`
      : `date_trunc('hour', ${quarterStart}, $4)`
  const [first, end] = [from, to].map((at) => at.toUTC().toFormat("yyyy-MM-dd'T'HH:mm"))
  const rows = await database.query<Totals & { start: Date }>(
    // Months are as long as '2031-10', and a quarter of an hour is told by its 'T'. The bounds keep it within the primary key.
    `select ${start} as start, ${totals} from (
       select * from workbench.spent
       where scope = 'user' and scope_id = $1 and period collate "C" >= $2 and period collate "C" < $3 and period like '%T%'
     ) quarters
     group by 1`,
    [userId, first, end, zone],
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
