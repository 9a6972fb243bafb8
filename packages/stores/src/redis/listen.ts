/** News from every instance over pub/sub. The connection comes back by itself, and then says that news may have been missed. */
import { createClient } from 'redis'
import { clientOptions, type LifeSigns, pauseBefore, type RedisAddress } from './connection.ts'

export interface ListenOptions extends LifeSigns {
  /** Tried one after another. On a Redis Cluster any node will do: news goes to all of them. */
  addresses: RedisAddress[]
  channel: string
  onMessage: (payload: string) => void
  /** The connection is back after a loss: whatever was told meanwhile was not heard. */
  onGap: () => void
  onError: (error: unknown) => void
}

export interface Listener {
  stop(): void
}

/** @throws when no address can be reached at first */
export const listen = async (options: ListenOptions): Promise<Listener> => {
  const { addresses, channel, onMessage, onGap, onError, checkEveryMs, checkTimeoutMs } = options
  let stopped = false
  let current: { destroy(): void } | undefined
  let attempts = 0

  const connect = async (): Promise<void> => {
    const { socket, ...address } = addresses[attempts % addresses.length] ?? {}
    attempts += 1
    const fresh = createClient({
      ...clientOptions,
      ...address,
      // Between two answers to its own questions there may be nothing to hear, so a silence longer than that is a loss.
      pingInterval: checkEveryMs,
      socket: {
        ...socket,
        connectTimeout: checkTimeoutMs,
        socketTimeout: checkEveryMs + checkTimeoutMs,
        reconnectStrategy: false,
      },
    })
    fresh.on('error', onError)
    fresh.on('terminated', () => {
      if (current === fresh && !stopped) retry(0)
    })
    try {
      await fresh.connect()
      await fresh.subscribe(channel, onMessage)
    } catch (error) {
      fresh.destroy()
      throw error
    }
    if (stopped) fresh.destroy()
    else current = fresh
  }
  const retry = (failures: number): void => {
    current = undefined
    setTimeout(() => {
      if (stopped) return
      // What failed was told to `onError` by the client itself.
      connect().then(onGap, () => {
        if (!stopped) retry(failures + 1)
      })
    }, pauseBefore(failures)).unref()
  }

  for (;;) {
    try {
      await connect()
      break
    } catch (error) {
      if (attempts >= addresses.length) throw error
    }
  }
  return {
    stop: () => {
      stopped = true
      current?.destroy()
    },
  }
}
