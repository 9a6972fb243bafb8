/** Requests that stay open for long: polls and streams. They end when the asker goes and when the server closes. */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

export interface Parking {
  /** True once the server has begun to close. */
  readonly closing: boolean
  /**
   * A signal for work on this request: aborted when the connection is lost or the server closes. `request.signal` would not
   * do: on a request with a body it is of the body's stream, and that ends as soon as the body has been read.
   */
  enter(reply: FastifyReply): AbortSignal
  /** Ends everything that is parked and waits until it is answered; connections that don't end in time are cut. */
  drain(graceMs: number): Promise<void>
}

/** Given as the reason of every abort: the one that is made otherwise takes the call stack with it, on every single poll. */
const over = new Error('nobody waits for this any more')

export const createParking = (): Parking => {
  const parked = new Map<ServerResponse, AbortController>()
  let closing = false
  let onEmpty = (): void => {}

  return {
    get closing() {
      return closing
    },
    enter: (reply) => {
      const controller = new AbortController()
      const { raw } = reply
      if (closing || raw.destroyed) controller.abort(over)
      if (raw.destroyed) return controller.signal
      const leave = (): void => {
        if (!parked.delete(raw)) return
        if (!raw.writableFinished) controller.abort(over)
        if (parked.size === 0) onEmpty()
      }
      parked.set(raw, controller)
      raw.once('finish', leave)
      raw.once('close', leave)
      return controller.signal
    },
    drain: async (graceMs) => {
      closing = true
      if (parked.size === 0) return
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve
      })
      for (const controller of parked.values()) controller.abort(over)
      // A reader that stopped reading would hold up the close for ever.
      const cut = setTimeout(() => {
        for (const raw of parked.keys()) raw.destroy()
      }, graceMs)
      await empty
      clearTimeout(cut)
    },
  }
}
