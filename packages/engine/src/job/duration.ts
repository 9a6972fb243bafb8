const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A length of time: milliseconds, or text such as `500ms`, `30s`, `5m`, `2h`, `2d`. */
export type Duration = number | `${number}${keyof typeof unitMs}`

/** @throws RangeError when the text is no duration or the length is negative or not finite. */
export const toMs = (duration: Duration): number => {
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null
  const given = typeof duration === 'number' ? duration : Number.NaN
  const ms = match ? Number(match[1]) * unitMs[match[2] as keyof typeof unitMs] : given
  if (!Number.isFinite(ms) || ms < 0)
    throw new RangeError(`not a duration: ${duration} (write 500ms, 30s, 5m, 2h or 2d)`)
  // Instants are whole milliseconds everywhere.
  return Math.round(ms)
}
