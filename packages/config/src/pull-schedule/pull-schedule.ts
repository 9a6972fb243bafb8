/** SCHEDULE_CONFIG_PATH: which kinds of run a manager takes, and when. Without a file there are the defaults. */
import { type ScheduleMode, scheduleMode } from '@tutti/contracts'
import { z } from 'zod'
import type { Fault } from '../fault.ts'
import { nearest } from '../nearest.ts'
import type { TomlSource } from '../toml/read-toml.ts'
import { timeZone } from '../variables/schemas.ts'
import { cronFields, faultOfField, patternOf } from './cron-fields.ts'
import { readDocument } from './document.ts'

interface Rule {
  id: string
  enabled: boolean
  /** Which runs it takes. */
  modes: ScheduleMode[]
  /** The pause after a request for runs that failed. */
  everySeconds: number
}

/** Runs of its modes are taken at any time. */
export interface IntervalRule extends Rule {
  kind: 'interval'
  /** Whether from the start on; else from `everySeconds` after it. */
  startImmediately: boolean
}

/** Runs of its modes are taken while its window is open. */
export interface WindowRule extends Rule {
  kind: 'window'
  /** When it opens: seven fields, as croner reads them with days of month and of week both to fit. */
  pattern: string
  timeZone: string
  windowMinutes: number
  /** As it was written, to be shown. */
  cron: Record<string, number | string>
}

export type PullRule = IntervalRule | WindowRule

export interface PullSchedule {
  /** Off: no rule counts. */
  enabled: boolean
  rules: PullRule[]
}

/** Runs of today at once, planned ones at their instant, and those for the night between 02:00 and 08:00 UTC. */
export const defaultPullSchedule = (everySeconds: number): PullSchedule => ({
  enabled: true,
  rules: [
    ...['immediate', 'scheduled'].map(
      (id): PullRule => ({ kind: 'interval', id, enabled: true, modes: [id], everySeconds, startImmediately: true }),
    ),
    {
      ...{ kind: 'window', id: 'nightly', enabled: true, modes: ['nightly'], everySeconds },
      ...{ cron: { hour: 2, minute: 0 }, pattern: patternOf({ hour: 2, minute: 0 }), timeZone: 'UTC' },
      windowMinutes: 360,
    },
  ],
})

export type PullScheduleResult =
  | { schedule: PullSchedule; faults?: undefined }
  | { faults: Fault[]; schedule?: undefined }

/** The whole schedule, or all faults, each with its line. */
export function readPullSchedule(source: TomlSource): PullScheduleResult {
  const { document, faults: unreadable } = readDocument(source)
  if (unreadable) return { faults: unreadable }
  const { data, error } = file.safeParse(document.value)
  const fault = (path: PropertyKey[], what: string, remedy: string): Fault => ({
    source: document.name,
    ...document.position(path.map(String)),
    what,
    remedy,
  })
  if (error) return { faults: error.issues.flatMap((issue) => faultsOf(issue, fault)).sort(byPlace) }
  const twice = data.rules.flatMap(({ id }, at) => {
    const first = data.rules.findIndex((rule) => rule.id === id)
    return first === at
      ? []
      : [
          fault(
            ['rules', at, 'id'],
            `rules.${at}.id is “${id}”, as that of rules.${first}`,
            'Give each rule its own id.',
          ),
        ]
  })
  return twice.length > 0 ? { faults: twice } : { schedule: { ...data, rules: data.rules.map(ruleOf) } }
}

const positive = z.number().positive('must be more than 0').max(31_536_000)
const common = {
  id: z.string().trim().min(1, 'must not be empty').max(128),
  enabled: z.boolean().default(true),
  schedule_modes: z.array(scheduleMode).max(100).default([]),
}
const zone = z
  .string()
  .refine((name) => timeZone.safeParse(name).success, 'must be an IANA time zone, such as UTC or Europe/Moscow')

const cronTable = z
  .strictObject({
    ...Object.fromEntries(cronFields.map((field) => [field, z.union([z.int(), z.string()]).optional()])),
    timezone: zone.optional(),
  })
  .superRefine((table, context) => {
    const given = Object.entries(table).filter(([field]) => field !== 'timezone')
    if (given.length === 0) context.addIssue({ code: 'custom', message: 'must name at least one field', input: table })
    for (const field of cronFields) {
      const value = (table as Partial<Record<string, number | string>>)[field]
      const message = value === undefined ? null : faultOfField(field, value)
      if (message !== null) context.addIssue({ code: 'custom', message, path: [field], input: value })
    }
  })

const intervalRule = z.strictObject({
  ...common,
  kind: z.literal('interval'),
  seconds: positive.default(2),
  start_immediately: z.boolean().default(true),
})
const windowRule = z.strictObject({
  ...common,
  kind: z.literal('window'),
  cron: cronTable,
  timezone: zone.default('UTC'),
  window_minutes: positive.default(360),
  poll_interval_seconds: positive.default(2),
  // Taken, and of no effect: whether a window is open is calculated, however long ago it opened.
  bootstrap_lookback_hours: positive.optional(),
  bootstrap_max_iterations: positive.optional(),
})
const anyRule = z.discriminatedUnion('kind', [intervalRule, windowRule]).superRefine((rule, context) => {
  if (rule.schedule_modes.length > 0 || rule.id === '' || scheduleMode.safeParse(rule.id).success) return
  const message = 'can’t be the name of a mode, and the rule has no schedule_modes'
  context.addIssue({ code: 'custom', message, path: ['id'], input: rule.id })
})
const file = z.strictObject({
  enabled: z.boolean().default(true),
  rules: z.array(anyRule).min(1, 'has no rule').max(200),
})

const ruleOf = (rule: z.output<typeof intervalRule> | z.output<typeof windowRule>): PullRule => {
  const { id, enabled, schedule_modes } = rule
  // A rule without modes takes those that are called as it is.
  const base = { id, enabled, modes: schedule_modes.length > 0 ? schedule_modes : [id] }
  if (rule.kind === 'interval')
    return { ...base, kind: 'interval', everySeconds: rule.seconds, startImmediately: rule.start_immediately }
  const { timezone, ...cron } = rule.cron as Record<string, number | string> & { timezone?: string }
  return {
    ...{ ...base, kind: 'window', everySeconds: rule.poll_interval_seconds, windowMinutes: rule.window_minutes },
    ...{ cron: rule.cron as Record<string, number | string>, pattern: patternOf(cron) },
    timeZone: timezone ?? rule.timezone,
  }
}

const byPlace = (a: Fault, b: Fault): number => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)

type MakeFault = (path: PropertyKey[], what: string, remedy: string) => Fault

const knownFields = {
  file: ['enabled', 'rules'],
  rule: [...new Set([...Object.keys(intervalRule.shape), ...Object.keys(windowRule.shape)])],
  cron: [...cronFields, 'timezone'],
}

function faultsOf(issue: z.core.$ZodIssue, fault: MakeFault): Fault[] {
  const { path } = issue
  const where = path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = path.length === 0 ? knownFields.file : path.at(-1) === 'cron' ? knownFields.cron : knownFields.rule
    return issue.keys.map((key) => {
      const meant = nearest(key, known)
      return fault(
        [...path, key],
        `${where === '' ? 'the file' : where} has an unknown field “${key}”`,
        meant === null || meant === key ? `Remove it; there are: ${known.join(', ')}.` : `Did you mean ${meant}?`,
      )
    })
  }
  if (issue.code === 'invalid_union')
    return [fault(path, `${where} is neither “interval” nor “window”`, 'Write kind = "interval" or kind = "window".')]
  const predicate = /^(Invalid|Too) /.test(issue.message) ? `is wrong: ${issue.message}` : issue.message
  return [
    fault(
      path,
      `${where === '' ? 'the file' : where} ${predicate}`,
      'See “When runs are taken” in the guide of agents.',
    ),
  ]
}
