/** What was said to a run while it goes on, on its way from the renewals of the lease to the executor. */
import type { TurnCommand } from '@tutti/contracts'

/** Where an executor asks for commands. */
export interface Commands {
  /** Those with a higher number, in their order; waits until there is one. Empty when the signal is aborted before. */
  after(n: number, signal: AbortSignal): Promise<TurnCommand[]>
}

export interface CommandBox extends Commands {
  /** The highest number that is here; 0 when none is. */
  last(): number
  /** Adds those that are not here yet. */
  put(commands: readonly TurnCommand[]): void
}

export const createCommandBox = (): CommandBox => {
  const known: TurnCommand[] = []
  const waiting = new Set<() => void>()
  const last = (): number => known.at(-1)?.n ?? 0
  const after = (n: number): TurnCommand[] => known.filter((command) => command.n > n)

  return {
    last,
    put: (commands) => {
      // An answer may come twice, or come late: what is here stays as it is.
      const fresh = commands.filter(({ n }) => n > last()).sort((a, b) => a.n - b.n)
      known.push(...fresh)
      if (fresh.length > 0) for (const wake of [...waiting]) wake()
    },
    after: async (n, signal) => {
      while (after(n).length === 0 && !signal.aborted)
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiting.delete(wake)
            signal.removeEventListener('abort', wake)
            resolve()
          }
          waiting.add(wake)
          signal.addEventListener('abort', wake)
        })
      return signal.aborted ? [] : after(n)
    },
  }
}
