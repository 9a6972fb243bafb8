/** News from every instance over LISTEN. The connection comes back by itself, and then says that news may have been missed. */
import pg from 'pg'

export interface ListenOptions {
  connectionString: string
  channel: string
  onMessage: (payload: string) => void
  /** The connection is back after a loss: whatever was told meanwhile was not heard. */
  onGap: () => void
  onError: (error: unknown) => void
}

export interface Listener {
  stop(): Promise<void>
}

const firstPauseMs = 50
const longestPauseMs = 2_000

/** @throws when the first connection fails */
export const listen = async (options: ListenOptions): Promise<Listener> => {
  let stopped = false
  let client: pg.Client | undefined
  let pause = firstPauseMs

  const connect = async (): Promise<void> => {
    const fresh = new pg.Client({ connectionString: options.connectionString, keepAlive: true })
    fresh.on('notification', (message) => options.onMessage(message.payload ?? ''))
    fresh.on('error', options.onError)
    fresh.on('end', () => {
      if (client === fresh && !stopped) retry()
    })
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${options.channel}`)
    } catch (error) {
      await fresh.end().catch(() => {})
      throw error
    }
    if (stopped) {
      await fresh.end()
      return
    }
    client = fresh
    pause = firstPauseMs
  }
  const retry = (): void => {
    client = undefined
    setTimeout(() => {
      if (stopped) return
      connect().then(options.onGap, (error: unknown) => {
        if (stopped) return
        options.onError(error)
        retry()
      })
    }, pause).unref()
    pause = Math.min(pause * 2, longestPauseMs)
  }

  await connect()
  return {
    stop: async () => {
      stopped = true
      await client?.end()
    },
  }
}
