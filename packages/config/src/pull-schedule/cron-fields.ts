/**
 * The instant at which a window opens, as a table of fields: `{ hour = 2, minute = 30, day_of_week = "mon-fri" }`. Fields
 * below the finest one that is given are at their least (`hour = 2` is two o'clock sharp), those above it are free. Days of
 * the week count from Monday, 0; with a day of the month beside them both must fit.
 */

/** From the coarsest to the finest. */
export const cronFields = ['year', 'month', 'day', 'day_of_week', 'hour', 'minute', 'second'] as const
export type CronField = (typeof cronFields)[number]

const ranges: Record<CronField, [least: number, most: number]> = {
  ...{ year: [1970, 9999], month: [1, 12], day: [1, 31], day_of_week: [0, 6] },
  ...{ hour: [0, 23], minute: [0, 59], second: [0, 59] },
}
const names: Partial<Record<CronField, readonly string[]>> = {
  month: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  day_of_week: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
}

/** What is wrong with the field, as the end of a sentence that begins with its name; null when it is fine. */
export function faultOfField(field: CronField, value: number | string): string | null {
  const [least, most] = ranges[field]
  if (field === 'day' && value === 'last') return null
  return valuesOf(field, value) === null
    ? `must be * or numbers from ${least} to ${most}, such as ${least}, ${least}-${least + 2}, */2 or ${least},${least + 3}`
    : null
}

/** Seven fields, seconds first and the year last, for a table whose fields have no faults. */
export function patternOf(given: Partial<Record<CronField, number | string>>): string {
  const finest = cronFields.findLastIndex((field) => given[field] !== undefined)
  const text = (field: CronField): string => {
    const value = given[field]
    if (value === undefined) {
      const free = cronFields.indexOf(field) < finest || field === 'day_of_week'
      return free ? '*' : String(ranges[field][0])
    }
    if (value === '*') return '*'
    if (value === 'last') return 'L'
    const values = valuesOf(field, value) ?? []
    // Numbers of days mean different days to different parsers; names do not.
    return values.map((each) => (field === 'day_of_week' ? names.day_of_week?.[each] : each)).join(',')
  }
  return ['second', 'minute', 'hour', 'day', 'month', 'day_of_week', 'year']
    .map((field) => text(field as CronField))
    .join(' ')
}

/** All numbers that the field names; null where it is not understood. */
function valuesOf(field: CronField, value: number | string): number[] | null {
  const [least, most] = ranges[field]
  const all = new Set<number>()
  for (const part of String(value).split(',')) {
    const [, range, step] = /^([^/]+)(?:\/([1-9]\d{0,3}))?$/.exec(part.trim()) ?? []
    if (range === undefined) return null
    const [from, to] = range === '*' ? [least, most] : bounds(field, range, step !== undefined)
    if (from === null || to === null || from < least || to > most || from > to) return null
    for (let each = from; each <= to; each += Number(step ?? 1)) all.add(each)
  }
  return [...all].sort((a, b) => a - b)
}

function bounds(field: CronField, range: string, stepped: boolean): [from: number | null, to: number | null] {
  const [first = '', last, ...more] = range.split('-')
  if (more.length > 0) return [null, null]
  const from = numberOf(field, first)
  if (last !== undefined) return [from, numberOf(field, last)]
  return [from, stepped ? ranges[field][1] : from]
}

function numberOf(field: CronField, text: string): number | null {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  const at = names[field]?.indexOf(text.toLowerCase()) ?? -1
  return at === -1 ? null : at + ranges[field][0]
}
