/** Being told to stop: Ctrl+C, a service manager, a terminal that is closed. */

/** What ends a command that was told to stop before it was done: no fault, but no success either. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
  readonly exitCode = 130
}

export interface StopSignals {
  /** Aborted, with an InterruptedError, at the first signal. */
  signal: AbortSignal
  /** Resolves at the first signal. */
  told: Promise<void>
  /** From here on signals do again what they do by themselves. */
  off(): void
}

/** One wish often arrives twice: at the whole process group, and passed on by npm or by whatever started us. */
const sameWishMs = 1000

/**
 * A second signal, of somebody who has waited, ends the process at once.
 * @param onHangUp for a server: SIGHUP is no wish to stop then, unless it tells of a terminal that was closed
 */
export const listenForStop = (onHangUp?: () => void): StopSignals => {
  const controller = new AbortController()
  const told = Promise.withResolvers<void>()
  let firstAt: number | undefined
  const stop = (): void => {
    if (firstAt !== undefined && performance.now() - firstAt > sameWishMs) process.exit(130)
    if (firstAt !== undefined) return
    firstAt = performance.now()
    controller.abort(new InterruptedError('interrupted'))
    told.resolve()
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const hangUp = (): void => (onHangUp && !process.stdout.isTTY ? onHangUp() : stop())
  const listeners = names.map((name) => [name, name === 'SIGHUP' ? hangUp : stop] as const)
  for (const [name, listener] of listeners) process.on(name, listener)
  return {
    signal: controller.signal,
    told: told.promise,
    off: () => {
      for (const [name, listener] of listeners) process.off(name, listener)
    },
  }
}

/** What `work` gives, unless the signal comes first. The work itself is not stopped. */
export const unlessStopped = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  Promise.race([
    work,
    new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
  ])

/**
 * Started by another process of ours, this one must not outlive it, however that one dies: it is told to stop then.
 * @returns what lets go of the other: no process ends while it still listens
 */
export const endWithParent = (): (() => void) => {
  if (!process.connected) return () => {}
  const orphaned = (): void => void process.kill(process.pid, 'SIGTERM')
  process.on('disconnect', orphaned)
  return () => {
    process.off('disconnect', orphaned)
    if (process.connected) process.disconnect()
  }
}
