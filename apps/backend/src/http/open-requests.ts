/** What stays open for long: polls and WebSockets. They end when the asker goes and when the server closes. */
import type { FastifyReply } from 'fastify'

export interface OpenRequests {
  readonly closing: boolean
  /**
   * A signal for work on this request. `request.signal` would not do: on a request with a body it is of the body's
   * stream, and a poll would be given up as soon as its body has been read.
   */
  enter(reply: FastifyReply): AbortSignal
  /** Calls back when the server closes; the returned function forgets the callback. */
  onClose(callback: () => void): () => void
  close(): void
}

export const createOpenRequests = (): OpenRequests => {
  const callbacks = new Set<() => void>()
  let closing = false
  return {
    get closing() {
      return closing
    },
    enter: ({ raw }) => {
      const controller = new AbortController()
      const leave = (): void => {
        controller.abort()
        callbacks.delete(leave)
      }
      if (closing || raw.destroyed) controller.abort()
      else {
        callbacks.add(leave)
        raw.once('finish', leave)
        raw.once('close', leave)
      }
      return controller.signal
    },
    onClose: (callback) => {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
    close: () => {
      closing = true
      for (const callback of [...callbacks]) callback()
    },
  }
}
