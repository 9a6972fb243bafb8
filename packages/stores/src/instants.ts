/** When something is to be done because of a change: what the news of it tell. */
import type { Change } from '@tutti/engine'

/** All instants that a change sets. */
export const instantsOf = (change: Change): number[] => [
  ...(change.job.wakeAt === null ? [] : [change.job.wakeAt]),
  ...change.setTimers.map((timer) => timer.dueAt),
  ...change.requeue.flatMap(({ visibleAt, pickupBy }) => [visibleAt, ...(pickupBy === undefined ? [] : [pickupBy])]),
  ...change.enqueue.flatMap(({ pickupBy }) => pickupBy ?? []),
  ...change.spawn.flatMap(({ job, timers }) => [job.wakeAt ?? [], ...timers.map((timer) => timer.dueAt)].flat()),
  ...change.records.flatMap(({ dueAt }) => dueAt ?? []),
]

export const earliest = (instants: number[]): number | null =>
  instants.reduce<number | null>((least, at) => (least === null || at < least ? at : least), null)
