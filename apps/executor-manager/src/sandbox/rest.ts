import { setTimeout as delay } from 'node:timers/promises'
import type { OpenSandbox } from './open.ts'

/** Waits until its executor asks for a turn, and stops it there. False where it still works after so long, or has ended. */
export const comesToRest = async (sandbox: OpenSandbox, idleMs: number): Promise<boolean> => {
  const enough = new AbortController()
  const idle = await Promise.race([
    sandbox.relay.idle().then(() => true),
    sandbox.exited.then(() => false),
    delay(idleMs, false, { signal: enough.signal }),
  ]).finally(() => enough.abort())
  if (idle) await sandbox.pause()
  return idle
}
