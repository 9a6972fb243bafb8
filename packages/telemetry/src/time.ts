/**
 * Timestamps as ISO 8601 with the offset of a time zone: `2026-03-29T03:00:00.000+02:00`. Asking Intl for every line
 * would cost more than the rest of the line; an offset only ever changes at a quarter of an hour, so it is asked once
 * for each.
 */
const quarterHour = 15 * 60 * 1000

export function createTimestamp(timeZone: string): (milliseconds: number) => string {
  const offsetOf = createOffset(timeZone)
  let quarter = Number.NaN
  let offset = 0
  return (milliseconds) => {
    const current = Math.floor(milliseconds / quarterHour)
    if (current !== quarter) {
      offset = offsetOf(current * quarterHour)
      quarter = current
    }
    const local = new Date(milliseconds + offset * 60_000).toISOString()
    return offset === 0 ? local : local.slice(0, -1) + formatOffset(offset)
  }
}

/** The zone's offset from UTC at an instant, in minutes. Throws a `RangeError` for an unknown zone. */
function createOffset(timeZone: string): (milliseconds: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (milliseconds) => {
    const name = format.formatToParts(milliseconds).find((part) => part.type === 'timeZoneName')?.value ?? ''
    const [, sign, hours, minutes] = /^GMT([+-])(\d\d):(\d\d)/.exec(name) ?? []
    if (hours === undefined || minutes === undefined) return 0
    const size = Number(hours) * 60 + Number(minutes)
    return sign === '-' ? -size : size
  }
}

function formatOffset(minutes: number): string {
  const size = Math.abs(minutes)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}
