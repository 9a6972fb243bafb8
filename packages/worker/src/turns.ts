/** Whose poll is next, where one worker serves several orchestrators: its free slots go to one poll at a time. */
export type TurnMode = 'waterfall' | 'round_robin'

export interface Turn {
  /** Resolves when it is this member's turn; what it resolves with ends the turn. Undefined when `signal` was aborted first. */
  take(signal: AbortSignal): Promise<((foundTasks: boolean) => void) | undefined>
}

export interface Member {
  /** Lower ones are asked first (`waterfall`). */
  priority: number
  /** So many turns for each one of a member with weight 1 (`round_robin`). */
  weight: number
}

interface Place extends Member {
  /** Asks for a turn at present. */
  grant: (() => void) | undefined
  credit: number
  /** Had nothing since anybody last had something. */
  empty: boolean
}

/**
 * `waterfall`: the first that has tasks gets everything; the next one is asked only when those before it had none.
 * `round_robin`: turns in proportion to the weights, spread evenly. Who is away asks for no turn, and holds up nobody.
 */
export const createTurns = (mode: TurnMode, members: readonly Member[]): Turn[] => {
  const places = members.map((member): Place => ({ ...member, grant: undefined, credit: 0, empty: false }))
  let taken = false

  const choose = (waiting: Place[]): Place | undefined => {
    if (mode === 'round_robin') {
      for (const place of waiting) place.credit += place.weight
      const next = waiting.reduce<Place | undefined>((a, b) => (a && a.credit >= b.credit ? a : b), undefined)
      if (next) next.credit -= waiting.reduce((sum, { weight }) => sum + weight, 0)
      return next
    }
    if (waiting.every(({ empty }) => empty)) for (const place of places) place.empty = false
    return waiting
      .filter(({ empty }) => !empty)
      .reduce<Place | undefined>((a, b) => (a && a.priority <= b.priority ? a : b), undefined)
  }
  const next = (): void => {
    if (taken) return
    const chosen = choose(places.filter(({ grant }) => grant !== undefined))
    if (!chosen?.grant) return
    taken = true
    chosen.grant()
  }

  return places.map((place) => ({
    take: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve(undefined)
        const give = () => {
          place.grant = undefined
          resolve(undefined)
        }
        signal.addEventListener('abort', give, { once: true })
        place.grant = () => {
          signal.removeEventListener('abort', give)
          place.grant = undefined
          resolve((foundTasks) => {
            taken = false
            if (foundTasks) for (const other of places) other.empty = false
            else place.empty = true
            // Later, so that who has just ended may ask again before the next one is chosen.
            setImmediate(next)
          })
        }
        next()
      }),
  }))
}
