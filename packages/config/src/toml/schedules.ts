import { type ScheduleSpec, name as scheduleId, scheduleSpec } from '@tutti/contracts'
import type { Fault } from '../fault.ts'
import { nearest } from '../nearest.ts'
import type { TomlSource } from './read-toml.ts'
import { type PlaceOf, readSections, type Section, toJson, unknownField } from './sections.ts'

/** One section of schedules.toml. */
export interface ScheduleEntry {
  /** The section's name. */
  id: string
  /** Whose jobs they are. */
  client: string
  spec: ScheduleSpec
}

export interface SchedulesFile {
  schedules: ScheduleEntry[]
  place: PlaceOf
}

export type SchedulesResult =
  | (SchedulesFile & { faults?: undefined })
  | { faults: Fault[]; schedules?: undefined; place?: undefined }

/** Owns the jobs of schedules that name no client. */
export const schedulerClient = 'scheduler'

const knownFields = [...Object.keys(scheduleSpec.shape), 'client']

/** Reads schedules.toml: all schedules, or all faults. Whether blueprints and clients are there is for `checkSchedules`. */
export function readSchedules(source: TomlSource): SchedulesResult {
  const { entries, place, faults } = readSections(source, 'schedule', readSchedule)
  if (faults) return { faults }
  return { schedules: entries.filter((entry) => entry !== null), place }
}

/**
 * What can be known only with the rest of the configuration: blueprints and clients that are not there.
 * @param known.clients `null` when clients are not told apart
 */
export function checkSchedules(
  { schedules, place }: SchedulesFile,
  known: { blueprints?: ReadonlySet<string>; clients?: ReadonlySet<string> | null },
): Fault[] {
  const faults: Fault[] = []
  const missing = (
    entry: ScheduleEntry,
    field: 'blueprint' | 'client',
    value: string,
    names: ReadonlySet<string>,
  ): void => {
    if (names.has(value)) return
    const meant = nearest(value, names)
    faults.push({
      ...place(entry.id, field),
      what: `[${entry.id}] names the ${field} “${value}”, which is not there`,
      remedy: meant === null ? `There are: ${[...names].sort().join(', ') || 'none'}.` : `Did you mean ${meant}?`,
    })
  }
  for (const entry of schedules) {
    if (known.blueprints) missing(entry, 'blueprint', entry.spec.blueprint, known.blueprints)
    if (known.clients && entry.client !== schedulerClient) missing(entry, 'client', entry.client, known.clients)
  }
  return faults
}

function readSchedule(section: Section): ScheduleEntry | null {
  const { id, fields, fault } = section
  if (!scheduleId.safeParse(id).success)
    fault(null, `“${id}” can’t be a schedule’s id`, 'Use 1 to 128 letters, digits and _ . : - only.')
  const { client = schedulerClient, ...rest } = fields
  if (typeof client !== 'string' || client === '')
    fault('client', `the client of [${id}] is not a name`, 'Write the client’s id as text, or leave it out.')

  const plain: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(rest)) {
    try {
      plain[field] = toJson(value)
    } catch {
      fault(field, `${field} of [${id}] holds a number that JSON can’t hold`, 'Use a finite number or a text.')
    }
  }
  const { data, error } = scheduleSpec.safeParse(plain)
  if (data) return { id, client: String(client), spec: data }
  for (const issue of error.issues) {
    if (issue.code === 'unrecognized_keys') for (const key of issue.keys) unknownField(section, key, knownFields)
    else fault(...faultOf(id, plain, issue))
  }
  return null
}

function faultOf(
  id: string,
  fields: Record<string, unknown>,
  { path, message }: { path: PropertyKey[]; message: string },
): [field: string | null, what: string, remedy: string] {
  const [first] = path
  const field = String(first ?? '')
  const where = path.join('.')
  if (fields[field] !== undefined)
    return [
      field,
      `${where} of [${id}] ${asPredicate(message)}`,
      remedies[field] ?? `See ${field} in docs/configuration.md.`,
    ]
  if (field === 'blueprint') return [null, `[${id}] has no blueprint`, 'Add a line: blueprint = "…".']
  return [null, `[${id}] says not when it runs`, 'Add interval_seconds, daily_at, weekly_days, monthly_dates or cron.']
}

/** The schemas' own messages complete a sentence; those of zod are one. */
function asPredicate(message: string): string {
  return message.startsWith('Invalid ') || message.startsWith('Too ') ? `is wrong: ${message}` : message
}

const time = 'Write it as text, such as "09:00".'
const remedies: Readonly<Record<string, string>> = {
  interval_seconds: 'Write a whole number of seconds without quotes.',
  daily_at: time,
  time,
  weekly_days: 'Write a list of days with a time beside it: weekly_days = ["mon", "fri"] and time = "23:00".',
  monthly_dates: 'Write a list of days with a time beside it: monthly_dates = [1, 15] and time = "06:00".',
  cron: 'Write five fields, minute first: cron = "30 9 * * mon-fri".',
  timezone: 'Use an IANA name, such as "Europe/Moscow".',
  catch_up: 'Use "skip", "one" or "all".',
  overlap: 'Use "allow", "skip", "queue" or "cancel_old".',
  enabled: 'Write true or false, without quotes.',
  input_data: 'Write a table, such as input_data = { type = "full" }.',
  metadata: 'Write a table, such as metadata = { team = "ops" }.',
}
