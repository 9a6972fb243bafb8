/** Schedules: when jobs come into being by themselves. The same fields stand in schedules.toml and in the API. */
import { Cron } from 'croner'
import { z } from 'zod'
import { jobStatus, tags } from './jobs.ts'
import { instant, jsonObject, name } from './json.ts'

/** In this order: index 0 is Monday, as ISO 8601 counts. */
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const weekday = z.enum(weekdays)
export type Weekday = z.infer<typeof weekday>

/** A time of day, `HH:MM` from 00:00 to 23:59. `9:00` is taken for `09:00`. */
const timeOfDay = z
  .string()
  .regex(/^([01]?\d|2[0-3]):[0-5]\d$/, 'must be a time of day as HH:MM, from 00:00 to 23:59')
  .overwrite((text) => text.padStart(5, '0'))

/** An IANA name, such as `Europe/Moscow`. */
const timezone = z.string().max(64).refine(isTimeZone, 'must be an IANA time zone, such as Europe/Moscow')

/** Five fields (or six, seconds first): `30 9 * * mon-fri`. Names of days and months, `L`, `#` and `@daily` are understood. */
const cronExpression = z
  .string()
  .max(200)
  .superRefine((pattern, context) => {
    const fault = faultOfCron(pattern)
    if (fault !== null) context.addIssue({ code: 'custom', message: fault, input: pattern })
  })

const day = 86_400
const year = 366 * day
const timeout = z.number().positive().max(year)

/** Their descriptions are what the reference of schedules.toml and the API's document say. */
const fields = {
  blueprint: name.describe('Name of the blueprint that its jobs walk through; the newest version at the time.'),
  input_data: jsonObject.default({}).describe('The input of each job.'),

  interval_seconds: z
    .int()
    .min(1)
    .max(year)
    .optional()
    .describe('Due every so many seconds, and the first time as soon as the schedule is known.'),
  daily_at: timeOfDay.optional().describe('Due every day at this time, HH:MM; 9:00 is taken for 09:00.'),
  weekly_days: z
    .array(weekday)
    .min(1)
    .max(7)
    .optional()
    .describe('Due on these days of the week at `time`: mon, tue, wed, thu, fri, sat, sun.'),
  monthly_dates: z
    .array(z.int().min(1).max(31))
    .min(1)
    .max(31)
    .optional()
    .describe('Due on these days of the month at `time`. A month that does not have the day is passed over.'),
  time: timeOfDay
    .optional()
    .describe(
      'The time of weekly_days and monthly_dates, HH:MM; with both, a day must be one of each (the first Monday, say). Alone it means every day.',
    ),
  cron: cronExpression
    .optional()
    .describe('Due as a cron expression says, five fields or six with seconds first: 30 9 * * mon-fri, @daily.'),

  timezone: timezone.optional().describe('IANA time zone of times and cron; left out, the server’s TZ.'),
  jitter_seconds: z
    .number()
    .min(0)
    .max(day)
    .default(0)
    .describe(
      'Each run is put off by at most this many seconds, so that many schedules of one minute don’t fall together.',
    ),
  catch_up: z
    .enum(['skip', 'one', 'all'])
    .default('one')
    .describe('What becomes of instants at which no server ran: none of them runs, the newest one, or each.'),
  catch_up_window_seconds: z
    .number()
    .positive()
    .max(year)
    .default(day)
    .describe('Instants missed by more than this are let go.'),
  overlap: z
    .enum(['allow', 'skip', 'queue', 'cancel_old'])
    .default('allow')
    .describe(
      'When the job before has not ended: start beside it, leave this one out, start when it has ended, or cancel it first.',
    ),
  enabled: z.boolean().default(true).describe('Off: it is never due.'),

  priority: z.number().min(-1000).max(1000).default(0).describe('Priority of its jobs; higher goes first.'),
  tags: tags.default([]).describe('Tags of its jobs.'),
  metadata: jsonObject.default({}).describe('Metadata of its jobs.'),
  dispatch_timeout: timeout
    .optional()
    .describe('Seconds that a task of the job may wait for a worker, where the blueprint says nothing.'),
  result_timeout: timeout
    .optional()
    .describe('Seconds that a task of the job may take, where the blueprint says nothing.'),
}

/** One schedule without its id and its owner. Parsing is idempotent: what comes out may be stored and parsed again. */
export const scheduleSpec = z.strictObject(fields).superRefine(
  (spec, context) => {
    for (const [path, message] of faultsOfRule(spec))
      context.addIssue({ code: 'custom', path: [path], message, input: spec })
  },
  // Even when a field is wrong: all faults are told at once. It looks only at which fields are there.
  { when: ({ value }) => typeof value === 'object' && value !== null },
)
export type ScheduleSpec = z.output<typeof scheduleSpec>
export type ScheduleSpecInput = z.input<typeof scheduleSpec>

/** A schedule as the API answers it. */
export const scheduleView = z.object({
  /** Owner and name: `client-a/nightly`. */
  id: z.string(),
  name: z.string(),
  client: z.string(),
  /** `file`: from schedules.toml, and changed only there. */
  source: z.enum(['file', 'api']),
  spec: z.looseObject({ blueprint: z.string() }),
  paused: z.boolean(),
  next_at: instant.nullable(),
  fired: z.int(),
  last: z
    .object({
      due_at: instant,
      fired_at: instant,
      job_id: z.uuid().nullable(),
      outcome: z.enum(['fired', 'queued', 'skipped', 'refused']),
      reason: z.string().nullable(),
      /** Of its job, now; null when there is none any more. */
      job_status: jobStatus.nullable(),
    })
    .nullable(),
})
export type ScheduleView = z.infer<typeof scheduleView>

/** GET /api/v1/schedules/{name}/next */
export const scheduleNext = z.object({ next: z.array(instant) })

/** When a schedule is due, as one value instead of six fields. */
export type ScheduleRule =
  | { kind: 'interval'; seconds: number }
  /** At this time of every day, of these days of the week, of these days of the month; of days that are both, where both are given. */
  | { kind: 'calendar'; time: string; days: Weekday[] | null; dates: number[] | null }
  | { kind: 'cron'; expression: string }

/** Of a spec that was parsed, and so has exactly one. */
export const ruleOf = (spec: ScheduleSpec): ScheduleRule => {
  if (spec.interval_seconds !== undefined) return { kind: 'interval', seconds: spec.interval_seconds }
  if (spec.cron !== undefined) return { kind: 'cron', expression: spec.cron }
  const time = spec.daily_at ?? spec.time
  if (time === undefined) throw new TypeError('a schedule that was not parsed has no rule')
  return { kind: 'calendar', time, days: spec.weekly_days ?? null, dates: spec.monthly_dates ?? null }
}

const ruleFields = ['interval_seconds', 'cron', 'daily_at', 'weekly_days', 'monthly_dates', 'time'] as const
type RuleField = (typeof ruleFields)[number]

/** The days of the week and of the month may stand together, with one time; everything else stands alone. */
function faultsOfRule(spec: Partial<Record<RuleField, unknown>>): [RuleField, string][] {
  const given = ruleFields.filter((field) => spec[field] !== undefined)
  const [first] = given
  if (first === undefined)
    return [['interval_seconds', 'is missing, and so are daily_at, weekly_days, monthly_dates and cron: it never runs']]
  if (first !== 'weekly_days' && first !== 'monthly_dates' && first !== 'time')
    return given.slice(1).map((field) => [field, `can’t stand beside ${first}: use one of them`])
  return given.includes('time') ? [] : [[first, 'needs a time beside it, such as time = "23:00"']]
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}

/** Parsing alone would let through the 30th of February. A job made without a function never runs. */
function faultOfCron(pattern: string): string | null {
  try {
    const cron = new Cron(pattern, { mode: '5-or-6-parts', timezone: 'UTC', paused: true })
    return cron.nextRun() === null ? 'never comes: there is no such date' : null
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace('CronPattern: ', '') : String(error)
    return `is no cron expression: ${reason}`
  }
}
