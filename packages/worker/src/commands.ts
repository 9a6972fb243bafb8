/**
 * Commands of the orchestrator over a WebSocket. They only make things faster: whatever it can't bring comes with the
 * next heartbeat, so no failure here ever ends the worker.
 */

import type { Backoff } from '@tutti/contracts'
import { type WorkerCommand, workerCommand } from '@tutti/contracts'
import type { Clock } from './clock.ts'
import type { WorkerLog } from './log.ts'

export interface Commands {
  /** False when there is no open connection. */
  send(text: string): boolean
  /** Connects, and connects again, until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void>
}

export interface CommandsOptions {
  url: string
  token: () => string
  workerId: string
  clock: Clock
  backoff: Backoff
  log: WorkerLog
  onCommand: (command: WorkerCommand) => void
}

/** A connection that lived this long was a good one: the next failure starts with a short delay again. */
const steadyMs = 10_000

export const createCommands = (options: CommandsOptions): Commands => {
  const { url, token, workerId, clock, backoff, log, onCommand } = options
  const address = `${url.replace(/^http/, 'ws').replace(/\/+$/, '')}/_worker/ws/${encodeURIComponent(workerId)}`
  let socket: WebSocket | undefined

  const receive = (data: unknown) => {
    const command = workerCommand.safeParse(typeof data === 'string' ? parse(data) : undefined)
    if (command.success) onCommand(command.data)
    else log.warn({}, 'a command was not understood')
  }

  const connect = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      // Node's client takes headers; the token must not stand in the address, where proxies and logs keep it.
      const connection = new WebSocket(address, { headers: { 'x-worker-token': token() } })
      socket = connection
      // Without waiting for the peer's half of the close: a vanished one would never send it.
      const close = () => {
        connection.close()
        resolve()
      }
      signal.addEventListener('abort', close, { once: true })
      connection.addEventListener('message', ({ data }) => receive(data))
      connection.addEventListener('close', () => {
        signal.removeEventListener('abort', close)
        resolve()
      })
      // A refused connection reports an error and then closes; the listener keeps the error from being thrown.
      connection.addEventListener('error', () => {})
    })

  return {
    send: (text) => {
      if (socket?.readyState !== WebSocket.OPEN) return false
      socket.send(text)
      return true
    },
    run: async (signal) => {
      while (!signal.aborted) {
        const startedMs = clock.now()
        await connect(signal)
        if (clock.now() - startedMs >= steadyMs) backoff.reset()
        if (!signal.aborted) await clock.sleep(backoff.next(), signal)
      }
    },
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
