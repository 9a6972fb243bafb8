/** A bell that is rung by events and waited for by one loop. Ringing while nobody waits is remembered, once. */
export interface Bell {
  ring: () => void
  /** True when it was rung, false when the time passed in silence. */
  wait(ms: number): Promise<boolean>
}

export const createBell = (): Bell => {
  let rung = false
  let waiter: (() => void) | undefined
  return {
    ring: () => {
      rung = true
      waiter?.()
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          waiter = undefined
          const was = rung
          rung = false
          resolve(was)
        }
        const timer = setTimeout(wake, ms)
        waiter = wake
        if (rung) wake()
      }),
  }
}
