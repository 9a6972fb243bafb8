/** Deadlines are instants of the server's clock: on a machine whose clock is off, every task would look late. */
export interface ServerClock {
  /** Learns from the Date header of an answer. */
  observe(dateHeader: string | null): void
  /** Where an instant of the server's clock lies on ours, in milliseconds. */
  toLocal(serverMs: number): number
  /** What it is there now. */
  now(): number
}

/** The header has whole seconds and the answer took a while: a difference below this is noise. */
const toleranceMs = 2_000

export const createServerClock = (now: () => number): ServerClock => {
  let aheadMs = 0
  return {
    observe: (dateHeader) => {
      const server = dateHeader === null ? Number.NaN : Date.parse(dateHeader)
      if (Number.isNaN(server)) return
      const difference = server - now()
      aheadMs = Math.abs(difference) > toleranceMs ? difference : 0
    },
    toLocal: (serverMs) => serverMs - aheadMs,
    now: () => now() + aheadMs,
  }
}
