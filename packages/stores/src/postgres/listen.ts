/** News from every instance over LISTEN. The connection comes back by itself, and then says that news may have been missed. */
import { Socket } from 'node:net'
import pg from 'pg'

export interface ListenOptions {
  connectionString: string
  channel: string
  onMessage: (payload: string) => void
  /** The connection is back after a loss: whatever was told meanwhile was not heard. */
  onGap: () => void
  onError: (error: unknown) => void
  /**
   * How often the connection is asked for a sign of life, and how long it may take. One that a firewall or a dead host has
   * swallowed looks like one on which nothing happens; TCP's own keepalive takes two hours to notice.
   */
  checkEveryMs?: number
  checkTimeoutMs?: number
}

export interface Listener {
  stop(): Promise<void>
}

const firstPauseMs = 50
/** An attempt costs a refused connection; whoever waits for news when the server is back waits for this. */
const longestPauseMs = 500

/** @throws when the first connection fails */
export const listen = async (options: ListenOptions): Promise<Listener> => {
  const { checkEveryMs = 10_000, checkTimeoutMs = 5_000 } = options
  let stopped = false
  let current: { client: pg.Client; socket: Socket } | undefined
  let pause = firstPauseMs

  const connect = async (): Promise<void> => {
    // Our own socket: only so can a connection be ended that does not answer any more.
    const socket = new Socket()
    const client = new pg.Client({
      connectionString: options.connectionString,
      keepAlive: true,
      stream: () => socket,
      connectionTimeoutMillis: checkTimeoutMs,
      query_timeout: checkTimeoutMs,
    })
    client.on('notification', (message) => options.onMessage(message.payload ?? ''))
    client.on('error', options.onError)
    client.on('end', () => {
      if (current?.client === client && !stopped) retry()
    })
    try {
      await client.connect()
      await client.query(`LISTEN ${options.channel}`)
    } catch (error) {
      socket.destroy()
      throw error
    }
    if (stopped) {
      await client.end()
      return
    }
    current = { client, socket }
    pause = firstPauseMs
    check(client, socket)
  }
  const check = (client: pg.Client, socket: Socket): void => {
    setTimeout(() => {
      if (current?.client !== client || stopped) return
      client.query('SELECT 1').then(
        () => check(client, socket),
        () => socket.destroy(),
      )
    }, checkEveryMs).unref()
  }
  const retry = (): void => {
    current = undefined
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
      if (!current) return
      const { client, socket } = current
      const patience = setTimeout(() => socket.destroy(), checkTimeoutMs)
      await client.end()
      clearTimeout(patience)
    },
  }
}
