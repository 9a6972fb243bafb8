/** Proof of who wrote a message: an HMAC over it, keyed with the worker's own token. */
import { createHmac } from 'node:crypto'
import { canonicalJson } from '@tutti/contracts'

/** The message with `timestamp` and `security`. */
export type Sign = <T extends object>(message: T) => T

/** @param now of the orchestrator's clock, milliseconds: a message that is a minute off is refused */
export const createSign =
  (secret: string, workerId: string, now: () => number): Sign =>
  (message) => {
    // Not in whole seconds: the same message within one second would be taken for a replay.
    const stamped = { ...message, timestamp: now() / 1000 }
    const signature = createHmac('sha256', secret)
      .update(canonicalJson({ ...stamped }), 'utf8')
      .digest('hex')
    return { ...stamped, security: { signature, signer_id: workerId } }
  }
