/** At most so many at a time; the others wait their turn, first come first served. */
export interface Semaphore {
  /** Resolves with a slot. Calling it gives the slot back; calling it twice is calling it once. */
  acquire(): Promise<() => void>
}

export const createSemaphore = (slots: number): Semaphore => {
  let free = slots
  const waiting: (() => void)[] = []
  const slot = (): (() => void) => {
    let held = true
    return () => {
      if (!held) return
      held = false
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
  return {
    async acquire() {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      return slot()
    },
  }
}
