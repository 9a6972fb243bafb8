/** The connection for operations: to a server, or to a Redis Cluster. It comes back by itself. */
import { createClient, createCluster, type RedisClientOptions } from 'redis'

/** A server, in the words of node-redis: `{ url: 'redis://…' }`, or host, port and TLS under `socket`. */
export type RedisAddress = Pick<RedisClientOptions, 'url' | 'socket' | 'username' | 'password' | 'database'>

/** One server, or any nodes of a Redis Cluster (which has no databases). */
export type RedisServer = { server: RedisAddress } | { cluster: RedisAddress[] }

export interface RedisConnection {
  /** Sends a command about keys of the slot of `root`. */
  send(command: (string | Buffer)[]): Promise<unknown>
  /** The same, for each server that may come to hold the slot. */
  sendToAll(command: string[]): Promise<unknown[]>
  close(): Promise<void>
}

/** While a server is away nothing is queued: whoever asks is told at once, and asks again. A silent one is taken for dead. */
export const clientOptions = {
  disableOfflineQueue: true,
  pingInterval: 5_000,
  disableClientInfo: true,
  maintNotifications: 'disabled',
} as const
export const socketOptions = { connectTimeout: 5_000, socketTimeout: 20_000 } as const

const firstPauseMs = 50
const longestPauseMs = 2_000
export const pauseBefore = (retry: number): number => Math.min(firstPauseMs * 2 ** retry, longestPauseMs)

/** @throws when the first connection fails */
export const connect = async (
  where: RedisServer,
  root: string,
  onError: (error: unknown) => void,
): Promise<RedisConnection> => {
  let connected = false
  // A first connection that fails is the caller's to know; a later one that is lost is replaced.
  const reconnectStrategy = (retries: number): number | false => (connected ? pauseBefore(retries) : false)
  const socket = { ...socketOptions, reconnectStrategy }
  const opened = 'server' in where ? openServer(where.server, socket) : openCluster(where.cluster, root, socket)
  opened.client.on('error', onError)
  await opened.client.connect()
  connected = true
  return {
    send: opened.send,
    sendToAll: opened.sendToAll,
    close: async () => {
      // Not `close()`: it would wait for a server that is away.
      opened.client.destroy()
    },
  }
}

type SocketOptions = typeof socketOptions & { reconnectStrategy: (retries: number) => number | false }

const openServer = (address: RedisAddress, socket: SocketOptions) => {
  const client = createClient({ ...clientOptions, ...address, socket: { ...address.socket, ...socket } })
  const send = (command: (string | Buffer)[]): Promise<unknown> => client.sendCommand(command)
  return { client, send, sendToAll: async (command: string[]) => [await send(command)] }
}

const openCluster = (addresses: RedisAddress[], root: string, socket: SocketOptions) => {
  const [first] = addresses
  const { username, password } = first ?? {}
  const cluster = createCluster({
    rootNodes: addresses.map(({ database, ...address }) => address as { url?: string }),
    defaults: {
      ...clientOptions,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      socket: { ...first?.socket, ...socket },
    },
  })
  return {
    client: cluster,
    send: (command: (string | Buffer)[]): Promise<unknown> => cluster.sendCommand(root, false, command),
    sendToAll: (command: string[]) =>
      Promise.all(cluster.masters.map(async (node) => (await cluster.nodeClient(node)).sendCommand(command))),
  }
}
