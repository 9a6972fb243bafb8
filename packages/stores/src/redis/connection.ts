/** The connection for operations: to a server, or to a Redis Cluster. It comes back by itself. */
import { setTimeout } from 'node:timers/promises'
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

/**
 * How often a connection is asked for a sign of life, and how long it may take. One that a firewall or a dead host has swallowed looks
 * like one on which nothing happens.
 */
export interface LifeSigns {
  checkEveryMs: number
  checkTimeoutMs: number
}

/** While a server is away nothing is queued: whoever asks is told at once, and asks again. */
export const clientOptions = {
  disableOfflineQueue: true,
  disableClientInfo: true,
  maintNotifications: 'disabled',
} as const
const connectTimeout = 5_000

const firstPauseMs = 50
const longestPauseMs = 2_000
export const pauseBefore = (retry: number): number => Math.min(firstPauseMs * 2 ** retry, longestPauseMs)

/** @throws when the first connection fails */
export const connect = async (
  where: RedisServer,
  root: string,
  { checkEveryMs, checkTimeoutMs }: LifeSigns,
  onError: (error: unknown) => void,
): Promise<RedisConnection> => {
  let connected = false
  // A first connection that fails is the caller's to know; a later one that is lost is replaced.
  const reconnectStrategy = (retries: number): number | false => (connected ? pauseBefore(retries) : false)
  const socket = { connectTimeout, reconnectStrategy }
  const { client, send, sendToAll } =
    'server' in where ? openServer(where.server, socket) : openCluster(where.cluster, root, socket)
  client.on('error', onError)
  await client.connect()
  connected = true

  let closed = false
  const watch = async (): Promise<void> => {
    while (!closed) {
      await setTimeout(checkEveryMs, undefined, { ref: false })
      if (closed) return
      // A failure is an answer, too: then the client knows that it has lost the server.
      const answer = send(['PING']).then(
        () => true,
        () => true,
      )
      if ((await Promise.race([answer, setTimeout(checkTimeoutMs, false, { ref: false })])) || closed) continue
      onError(new Error(`Redis gave no answer for ${checkTimeoutMs} ms: its connection is replaced`))
      // What was under way fails now, instead of never.
      client.destroy()
      await client.connect().catch(onError)
    }
  }
  void watch()
  return {
    send,
    sendToAll,
    close: async () => {
      closed = true
      // Not `close()`: it would wait for a server that is away.
      client.destroy()
    },
  }
}

interface SocketOptions {
  connectTimeout: number
  reconnectStrategy: (retries: number) => number | false
}

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
