/** A schedule as it is kept: what was asked for, and how far it has come. The body of a record of kind `schedule`. */
import { type JsonObject, ruleOf, type ScheduleSpec } from '@tutti/contracts'
import type { StoredRecord } from '../store/port.ts'
import { nextAfter, type Timing, timingOf } from './timing.ts'

/** `file`: from schedules.toml, and changed only there. */
export type ScheduleSource = 'file' | 'api'

export interface LastFiring {
  /** The nominal instant. */
  dueAt: number
  firedAt: number
  jobId: string | null
  /** `skipped`: an earlier job was still at work. `refused`: the job could not be made; `reason` tells why. */
  outcome: 'fired' | 'queued' | 'skipped' | 'refused'
  reason: string | null
}

export interface Schedule {
  name: string
  source: ScheduleSource
  spec: ScheduleSpec
  paused: boolean
  /** The first nominal instant that has not been dealt with; null when there is none. */
  nextAt: number | null
  /** Nominal instants that wait for the job before them to end (overlap `queue`). */
  queued: number[]
  last: LastFiring | null
  fired: number
  /** Anchor of an interval: the instant at which the schedule was made or changed. */
  anchor: number
}

export const scheduleKind = 'schedule'

/** Names belong to their owner: two clients may both have a `nightly`. */
export const scheduleId = (owner: string, name: string): string => `${owner}/${name}`

export const scheduleOf = (record: StoredRecord): Schedule => record.body as unknown as Schedule
export const bodyOf = (schedule: Schedule): JsonObject => schedule as unknown as JsonObject

/** @param timeZone where the schedule names none of its own */
export const scheduleTiming = ({ spec, anchor }: Schedule, timeZone: string): Timing =>
  timingOf(ruleOf(spec), anchor, spec.timezone ?? timeZone)

/** The instants that come next. */
export const upcoming = (timing: Timing, after: number, count: number): number[] => {
  const instants: number[] = []
  for (let at = nextAfter(timing, after); at !== null && instants.length < count; at = nextAfter(timing, at))
    instants.push(at)
  return instants
}
