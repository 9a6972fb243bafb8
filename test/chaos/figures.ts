/** How soon a session went on after it was struck. */
import type { SessionFrame } from '@tutti/contracts'
import type { FaultKind, Strike } from './executioner.ts'

export interface Spread {
  count: number
  median: number
  p99: number
  max: number
}

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return { count: sorted.length, median: at(0.5), p99: at(0.99), max: at(1) }
}

const hosts: ReadonlySet<FaultKind> = new Set(['manager killed', 'manager stopped beyond its lease'])

export type Death = 'process' | 'host'
export const deathOf = ({ kind }: Strike): Death => (hosts.has(kind) ? 'host' : 'process')

export interface Resumption {
  strike: Strike
  sessionId: string
  ms: number
  /** The same, from the instant at which what was taken away was back; 0 where it was not waited for. */
  sinceBackMs: number
}

/** From the strike to the next line of each session that it hit. One that was at its end already has none. */
export const resumptions = (
  strikes: readonly Strike[],
  logs: ReadonlyMap<string, readonly SessionFrame[]>,
): Resumption[] =>
  strikes.flatMap((strike) =>
    strike.sessions.flatMap((sessionId) => {
      const next = logs.get(sessionId)?.find(({ timestamp }) => Date.parse(timestamp) > strike.at)
      if (next === undefined) return []
      const at = Date.parse(next.timestamp)
      return [{ strike, sessionId, ms: at - strike.at, sinceBackMs: Math.max(0, at - (strike.backAt ?? strike.at)) }]
    }),
  )

/** Of those that took longest after each kind of fault: the strike, and the lines of the session around it. */
export const tellSlowest = (
  found: readonly Resumption[],
  logs: ReadonlyMap<string, readonly SessionFrame[]>,
): string[] =>
  [...Map.groupBy(found, ({ strike }) => strike.kind).values()]
    .flatMap((all) => all.sort((a, b) => b.sinceBackMs - a.sinceBackMs).slice(0, 3))
    .flatMap(({ strike, sessionId, ms }) => [
      `--- ${sessionId} went on ${ms} ms after: ${strike.kind} at ${strike.moment} (${strike.victim}), which was back after ${
        strike.backAt === undefined ? '-' : strike.backAt - strike.at
      } ms`,
      ...(logs.get(sessionId) ?? [])
        .map((frame) => ({ frame, after: Date.parse(frame.timestamp) - strike.at }))
        .filter(({ after }) => after > -2_000 && after < ms + 2_000)
        .map(
          ({ frame: { type, data }, after }) =>
            `  ${after} ${type} ${data.run_status ?? data.role ?? ''} ${data.error ?? ''}`,
        ),
    ])
