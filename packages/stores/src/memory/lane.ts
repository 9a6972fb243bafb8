/** The tasks of one queue that wait, best first, and the turns between their fair keys. */
import type { Task } from '@tutti/engine'

export interface Waiting {
  task: Task
  /** Order of arrival: the tie-break among equal turns. */
  order: number
  /** Its turn among the tasks of its queue and priority; null until it first waits there. */
  turn: number | null
}

export interface Lane<W extends Waiting> {
  add(entry: W): void
  remove(entry: W): void
  /** Best first, up to `max`, only those that may be handed out by now. */
  best(max: number, now: number): W[]
  /** A task is handed out: whoever comes new begins with its turn. */
  handedOut(entry: W): void
  all(): readonly W[]
}

interface Turns {
  /** Turn of the task that was handed out last. */
  clock: number
  /** Of each fair key with waiting tasks: how many, and the greatest turn. */
  byKey: Map<string, { waiting: number; last: number }>
}

export const createLane = <W extends Waiting>(): Lane<W> => {
  const sorted: W[] = []
  const turnsOf = new Map<number, Turns>()

  /** Where the entry is, or belongs. */
  const place = (entry: W): number => {
    let [low, high] = [0, sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (inOrder(sorted[middle] as W, entry) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    add: (entry) => {
      const { priority, fairKey } = entry.task
      const turns = turnsOf.get(priority) ?? { clock: 0, byKey: new Map() }
      turnsOf.set(priority, turns)
      const mine = turns.byKey.get(fairKey)
      // A task that was handed out before keeps its turn.
      entry.turn ??= Math.max(turns.clock, mine ? mine.last + 1 : 0)
      turns.byKey.set(fairKey, {
        waiting: (mine?.waiting ?? 0) + 1,
        last: Math.max(mine?.last ?? entry.turn, entry.turn),
      })
      sorted.splice(place(entry), 0, entry)
    },
    remove: (entry) => {
      const at = place(entry)
      if (sorted[at] !== entry) return
      sorted.splice(at, 1)
      const { priority, fairKey } = entry.task
      const turns = turnsOf.get(priority)
      const mine = turns?.byKey.get(fairKey)
      if (!turns || !mine) return
      mine.waiting -= 1
      if (mine.waiting === 0) turns.byKey.delete(fairKey)
      if (turns.byKey.size === 0) turnsOf.delete(priority)
    },
    best: (max, now) => {
      const found: W[] = []
      for (const entry of sorted) {
        if (found.length >= max) break
        if (entry.task.visibleAt <= now) found.push(entry)
      }
      return found
    },
    handedOut: (entry) => {
      const turns = turnsOf.get(entry.task.priority)
      if (turns) turns.clock = Math.max(turns.clock, entry.turn ?? 0)
    },
    all: () => sorted,
  }
}

const inOrder = (a: Waiting, b: Waiting): number =>
  b.task.priority - a.task.priority || (a.turn ?? 0) - (b.turn ?? 0) || a.order - b.order
