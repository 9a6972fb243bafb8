/** Time that passes only when a test lets it: nothing waits, and the clock jumps to whatever is due next. */
import type { After } from '../src/run/after.ts'

export interface TestTime {
  now(): number
  after: After
  /** Everything that can happen without the clock has happened then. */
  settle(): Promise<void>
  /** Lets so many milliseconds pass, running what falls due on the way. */
  pass(ms: number): Promise<void>
  /** Lets time pass until the condition holds. @throws when a virtual day was not enough */
  until(condition: () => boolean | Promise<boolean>): Promise<void>
  /** Lets time pass until the promise settles. */
  during<T>(work: Promise<T>): Promise<T>
  /** Delays that are still running. */
  pending(): number
}

interface Due {
  at: number
  run: () => void
}

const dayMs = 86_400_000

export const createTime = (start = Date.UTC(2030, 0, 1)): TestTime => {
  let clock = start
  const due = new Set<Due>()
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const first = (): Due | undefined =>
    [...due].reduce<Due | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined)
  const runNext = async (): Promise<void> => {
    const next = first()
    if (!next) return
    clock = Math.max(clock, next.at)
    due.delete(next)
    next.run()
    await settle()
  }
  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    const end = clock + dayMs
    await settle()
    while (!(await condition())) {
      if (clock > end) throw new Error('a virtual day passed, and it did not happen')
      if (due.size === 0) throw new Error('nothing is due any more, and it did not happen')
      await runNext()
    }
  }
  return {
    now: () => clock,
    after: (ms, run) => {
      const entry = { at: clock + Math.max(0, ms), run }
      due.add(entry)
      return () => due.delete(entry)
    },
    settle,
    pass: async (ms) => {
      const end = clock + ms
      await settle()
      for (let next = first(); next && next.at <= end; next = first()) await runNext()
      clock = end
      await settle()
    },
    until,
    during: async (work) => {
      let settled = false
      const watched = work.finally(() => {
        settled = true
      })
      // Told of below; here it must not count as unheard.
      watched.catch(() => {})
      await until(() => settled)
      return watched
    },
    pending: () => due.size,
  }
}
