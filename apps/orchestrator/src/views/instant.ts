/** Writes an instant, milliseconds since the epoch, as ISO 8601 with offset. */
export type WriteInstant = (ms: number) => string

const quarterHourMs = 900_000

/** Instants in a time zone: `2026-11-21T10:00:00.000Z` in UTC, `2026-11-21T13:00:00.000+03:00` in Moscow. */
export const createWriteInstant = (timeZone: string): WriteInstant => {
  if (timeZone === 'UTC') return (ms) => new Date(ms).toISOString()
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  // Offsets change on a quarter of an hour only, and formatting costs far more than the rest of a view.
  let quarter = Number.NaN
  let offsetMs = 0
  return (ms) => {
    const at = Math.floor(ms / quarterHourMs)
    if (at !== quarter) {
      offsetMs = readOffset(format, ms)
      quarter = at
    }
    return `${new Date(ms + offsetMs).toISOString().slice(0, -1)}${writeOffset(offsetMs)}`
  }
}

const readOffset = (format: Intl.DateTimeFormat, ms: number): number => {
  const name = format.formatToParts(ms).find((part) => part.type === 'timeZoneName')?.value ?? ''
  const match = /^GMT([+-])(\d\d):(\d\d)/.exec(name)
  return match ? (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) * 60_000 : 0
}

const writeOffset = (offsetMs: number): string => {
  const minutes = Math.abs(offsetMs) / 60_000
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  return `${offsetMs < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}
