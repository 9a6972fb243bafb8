/** One JSON line per event on stderr. Callers never pass what a user or an agent said. */
export const log = (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown> = {}): void => {
  process.stderr.write(`${JSON.stringify({ level, time: Date.now(), message, ...fields })}\n`)
}
