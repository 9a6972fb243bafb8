/** The time in which a simulation runs. */
export interface World {
  now(): number
  after(ms: number, run: () => void): () => void
  sleep(ms: number): Promise<void>
  /** Runs what is due until `done` or until nothing is. @returns false when `limitMs` of virtual time passed before */
  run(done: () => boolean, limitMs: number): Promise<boolean>
}

interface Due {
  at: number
  order: number
  run: () => void
}

const epoch = Date.UTC(2030, 0, 1)

/** Virtual time: nothing waits, the clock jumps to whatever is due next. */
export const createWorld = (): World => {
  let clock = epoch
  let orders = 0
  const heap: Due[] = []

  const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
  const push = (due: Due): void => {
    heap.push(due)
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(heap[at] as Due, heap[parent] as Due)) return
      swap(at, parent)
      at = parent
    }
  }
  const pop = (): Due | undefined => {
    const [first] = heap
    const last = heap.pop()
    if (heap.length > 0 && last) {
      heap[0] = last
      let at = 0
      for (;;) {
        let least = at
        for (const child of [2 * at + 1, 2 * at + 2])
          if (child < heap.length && before(heap[child] as Due, heap[least] as Due)) least = child
        if (least === at) break
        swap(at, least)
        at = least
      }
    }
    return first
  }
  const swap = (a: number, b: number): void => {
    const held = heap[a] as Due
    heap[a] = heap[b] as Due
    heap[b] = held
  }
  const after = (ms: number, run: () => void): (() => void) => {
    const due = { at: clock + Math.max(0, ms), order: orders++, run }
    push(due)
    return () => {
      due.run = () => {}
    }
  }
  /** One turn of the real loop: every promise that can settle without the clock has settled then. */
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  return {
    now: () => Math.floor(clock),
    after,
    sleep: (ms) => new Promise((resolve) => after(ms, resolve)),
    run: async (done, limitMs) => {
      const end = clock + limitMs
      await settle()
      while (!done()) {
        const due = pop()
        if (!due) return done()
        if (due.at > end) return false
        clock = Math.max(clock, due.at)
        due.run()
        await settle()
      }
      return true
    },
  }
}

/** Real time, `pace` times as fast: for a Store that runs on a clock of its own. `now` must run at that pace. */
export const createPacedWorld = ({ now, pace }: { now: () => number; pace: number }): World => {
  const pending = new Set<NodeJS.Timeout>()
  let over = false
  const after = (ms: number, run: () => void): (() => void) => {
    if (over) return () => {}
    const timer = setTimeout(() => {
      pending.delete(timer)
      run()
    }, Math.max(0, ms) / pace)
    pending.add(timer)
    return () => {
      pending.delete(timer)
      clearTimeout(timer)
    }
  }
  return {
    now,
    after,
    sleep: (ms) => new Promise((resolve) => after(ms, () => resolve())),
    run: async (done, limitMs) => {
      const end = now() + limitMs
      while (!done() && now() <= end) await new Promise((resolve) => setTimeout(resolve, 10))
      const inTime = done()
      // Whoever still sleeps, sleeps for ever.
      over = true
      for (const timer of pending) clearTimeout(timer)
      return inTime
    },
  }
}
