/** How soon a session went on after it was struck. */
import type { SessionFrame } from '@tutti/contracts'
import type { FaultKind, Strike } from './executioner.ts'
import type { HeardLine } from './installation.ts'

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

interface Course {
  logs: ReadonlyMap<string, readonly SessionFrame[]>
  strikes: readonly Strike[]
  heard: readonly HeardLine[]
}

/** Of those that took longest after each kind of fault: the strike, and what befell the session around it, in the order of time. */
export const tellSlowest = (found: readonly Resumption[], course: Course): string[] =>
  [...Map.groupBy(found, ({ strike }) => strike.kind).values()]
    .flatMap((all) => all.sort((a, b) => b.sinceBackMs - a.sinceBackMs).slice(0, 3))
    .flatMap((one) => tellOne(one, course))

/** Said a hundred times while one database is away. */
const told = new Set(['a connection to the store was lost', 'a connection to the database was lost'])

const tellOne = ({ strike, sessionId, ms }: Resumption, { logs, strikes, heard }: Course): string[] => {
  const frames = (logs.get(sessionId) ?? []).map(({ type, timestamp, data }) => ({
    at: Date.parse(timestamp),
    text: `${type} ${data.run_status ?? data.role ?? ''} ${data.error ?? ''}`,
  }))
  const others = strikes.flatMap(({ at, kind, victim, sessions, backAt }) => {
    const hit = sessions.includes(sessionId) ? ', which had it in hand' : ''
    const struck = { at, text: `*** ${kind}: ${victim}${hit}` }
    return backAt === undefined ? [struck] : [struck, { at: backAt, text: `*** back: ${victim}` }]
  })
  const runs = new Set((logs.get(sessionId) ?? []).map(({ data }) => data.run_id).filter((id) => id !== undefined))
  const said = heard
    .filter(({ line: { run_id, level, msg } }) =>
      run_id === undefined ? level === 'WARNING' && !told.has(msg) : runs.has(run_id),
    )
    .map(({ at, program, line: { msg, reason, tasks } }) => ({
      at,
      text: `${program}: ${msg} ${reason ?? ''} ${Array.isArray(tasks) ? tasks.join() : ''}`,
    }))
  const lines = [...frames, ...others, ...said]
    .map(({ at, text }) => ({ after: at - strike.at, text }))
    .filter(({ after }) => after > -2_000 && after < ms + 2_000)
    .sort((a, b) => a.after - b.after)
  const back = strike.backAt === undefined ? '-' : strike.backAt - strike.at
  return [
    `--- ${sessionId} went on ${ms} ms after: ${strike.kind} at ${strike.moment} (${strike.victim}), which was back after ${back} ms`,
    ...lines.map(({ after, text }) => `  ${after} ${text}`),
  ]
}
