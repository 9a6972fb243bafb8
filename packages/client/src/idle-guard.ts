import type { Clock } from './clock.ts'

/** Notices a connection whose peer has vanished without closing it: nothing comes, for ever. */
export interface IdleGuard {
  /** A sign of life. */
  touch(): void
  stop(): void
}

export const createIdleGuard = (clock: Clock, idleMs: number, onIdle: () => void): IdleGuard => {
  let waiting = new AbortController()
  const wait = () => {
    const mine = waiting
    void clock.sleep(idleMs, mine.signal).then(() => {
      if (mine.signal.aborted) return
      onIdle()
      if (mine === waiting) wait()
    })
  }
  wait()
  return {
    touch: () => {
      waiting.abort()
      waiting = new AbortController()
      wait()
    },
    stop: () => waiting.abort(),
  }
}
