import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Logger } from '@tutti/telemetry'

const longestLine = 2_000
/** A sandbox that writes without end must not fill the log. */
const mostLines = 1_000

/** What the executor says of itself, for who looks for a fault in it. */
export const logOutput = (stream: Readable, name: 'stdout' | 'stderr', log: Logger): void => {
  let lines = 0
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
  reader.on('line', (line) => {
    lines += 1
    if (lines <= mostLines) log.debug({ stream: name, line: line.slice(0, longestLine) }, 'executor')
  })
  // The pipe of a sandbox that was killed may break; its end is told elsewhere.
  stream.on('error', () => undefined)
  reader.on('error', () => undefined)
}
